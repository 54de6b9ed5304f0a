namespace Dvis.Streaming.Pipeline.Common;

/// <summary>
/// This option is a secret: it is never printed, and in <c>config.yaml</c> it has a twin with the suffix <c>_file</c>
/// that names a file to read it from (no property is needed for the twin).
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SecretAttribute : Attribute;

/// <summary>This option is a path; a relative one counts from the folder of the configuration file.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class FilePathAttribute : Attribute
{
    /// <summary>True when a relative path that is not there is also looked for beside the program.</summary>
    public bool Shipped { get; init; }
}
