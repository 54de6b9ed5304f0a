namespace Dvis.Streaming.Pipeline.Common;

/// <summary>
/// Mark of a secret option: it is never printed, and <c>config.yaml</c> has a second key with the suffix <c>_file</c>
/// for a file to read it from (without a property).
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SecretAttribute : Attribute;

/// <summary>Mark of a path option; a relative path starts at the folder of the configuration file.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FilePathAttribute : Attribute
{
    /// <summary>True when a relative path is also looked for beside the program.</summary>
    public bool Shipped { get; init; }

    /// <summary>True for a file that is read later and must exist already.</summary>
    public bool Exists { get; init; }
}
