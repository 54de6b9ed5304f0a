namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>A tiny model folder of each method.</summary>
internal static class TinyModels
{
    public static TheoryData<string> Names => new("dvis", "minvis", "genvis", "genvis online", "refinevis", "vita");

    public static string Write(string method, string folder) => method switch
    {
        "dvis" => TinyDvis.Write(folder),
        "minvis" => TinyDvis.Write(folder, TinyDvis.MakeMinVis),
        "genvis" => TinyGenVis.Write(folder),
        "genvis online" => TinyGenVis.Write(folder, clip: 1),
        "refinevis" => TinyRefineVis.Write(folder),
        "vita" => TinyVita.Write(folder),
        _ => throw new ArgumentOutOfRangeException(nameof(method), method, null),
    };
}
