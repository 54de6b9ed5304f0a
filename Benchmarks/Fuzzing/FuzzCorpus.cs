using System.Text;

namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary>
/// Inputs that stand in the repository as text and are part of this program: <c>corpus/{target}</c>, good ones to begin
/// with, and <c>regressions/{target}</c>, all that ever broke something. Binary ones are base64, in files named
/// <c>.b64</c>.
/// </summary>
internal static class FuzzCorpus
{
    public static IReadOnlyList<byte[]> Of(string target) => Read($"corpus/{target}/");

    public static IReadOnlyList<byte[]> Regressions(string target) => Read($"regressions/{target}/");

    private static byte[][] Read(string folder)
    {
        var program = typeof(FuzzCorpus).Assembly;
        return [.. program.GetManifestResourceNames().Where(n => n.StartsWith(folder, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(Load)];

        byte[] Load(string name)
        {
            using var text = new StreamReader(program.GetManifestResourceStream(name)!, Encoding.UTF8);
            var content = text.ReadToEnd();
            return name.EndsWith(".b64", StringComparison.Ordinal)
                ? Convert.FromBase64String(content)
                : Encoding.UTF8.GetBytes(content);
        }
    }
}
