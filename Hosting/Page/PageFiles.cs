using System.Collections.Frozen;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Files that are built into the program: the page, and the documents of the interfaces.</summary>
internal static class PageFiles
{
    private const string Page = "wwwroot/", Schemas = "schemas/", Index = "wwwroot/index.html";

    private static readonly FrozenDictionary<string, string> s_types = new Dictionary<string, string>
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".json"] = "application/json",
        [".yaml"] = "application/yaml",
        [".svg"] = "image/svg+xml",
        [".png"] = "image/png",
        [".ico"] = "image/x-icon",
        [".webmanifest"] = "application/manifest+json",
    }.ToFrozenDictionary();

    /// <summary>Files of the page and of the interfaces by path; the page itself is at <c>/</c>.</summary>
    public static IReadOnlyList<(string Path, string Type, byte[] Content)> All { get; } =
        [.. typeof(PageFiles).Assembly.GetManifestResourceNames().Where(IsServed).Select(Load)];

    /// <summary>False when the program was built without the page.</summary>
    public static bool HasPage { get; } = All.Any(f => f.Path == "/");

    /// <summary>Content of a file in <c>schemas/</c>.</summary>
    public static byte[] Schema(string name) => All.First(f => f.Path == "/" + Schemas + name).Content;

    private static bool IsServed(string name) =>
        name.StartsWith(Page, StringComparison.Ordinal) || name.StartsWith(Schemas, StringComparison.Ordinal);

    private static (string Path, string Type, byte[] Content) Load(string name)
    {
        using var stream = typeof(PageFiles).Assembly.GetManifestResourceStream(name)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        var type = s_types.GetValueOrDefault(Path.GetExtension(name), "application/octet-stream");
        return (PathOf(name), type, content);
    }

    private static string PathOf(string name) => name == Index ? "/"
        : name.StartsWith(Page, StringComparison.Ordinal) ? "/" + name[Page.Length..]
        : "/" + name;
}
