namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>Model folders of the working tree, relative to its root.</summary>
internal static class ShippedModels
{
    /// <summary>Trained on rendered scenes: finds the shapes of <c>samples/everyday.mp4</c>.</summary>
    public const string Shapes = "Models/shapes";

    /// <summary>Those of DVIS; the first is what runs when no other is configured.</summary>
    public static string[] Folders => ["Models/default", Shapes];

    /// <summary>Those of every method.</summary>
    public static string[] All => [.. Folders, $"{Shapes}-genvis", $"{Shapes}-vita", $"{Shapes}-refinevis"];
}
