using System.Security.Cryptography;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Slow;

/// <summary>
/// DVIS, GenVIS or VITA R50 with weights that anyone can compute, imported as a user imports a checkpoint. The model
/// folder is kept in <c>.dvis/cache</c> for as long as nothing it is made from changes. Skips the calling test where
/// PyTorch, ffmpeg or the reference answers are missing.
/// </summary>
internal static class OfficialModel
{
    private const string Python = "/usr/bin/python3";
    private static readonly SemaphoreSlim s_gate = new(1);

    public static string Answers(string name, string method = "dvis")
        => Shared.Path($"data/cases/{method}/{name}.npz");

    /// <param name="method"><c>dvis</c>, <c>genvis</c> or <c>vita</c>.</param>
    public static async Task<string> FolderAsync(string method = "dvis")
    {
        var fill = Shared.Path($"data/cases/{method}/fill.py");
        await s_gate.WaitAsync();
        try
        {
            var cache = Repo.Path(".dvis/cache");
            var folder = Path.Combine(cache, $"r50-{method}-{Key(fill)}");
            if (Directory.Exists(folder)) return folder;
            if (!File.Exists(Python) || (await Tool.RunAsync(Python, ["-c", "import numpy, onnx, torch"])).Code != 0)
                Assert.Skip($"{Python} has no PyTorch or no onnx.");
            string[] stale = Directory.Exists(cache) ? Directory.GetDirectories(cache, $"r50-{method}-*") : [];
            foreach (var old in stale) Directory.Delete(old, recursive: true);

            using var work = new TempFolder();
            var parts = method == "dvis" ? "offline" : method;
            string[] flag = method == "dvis" ? [] : [$"--{method}"];
            await RunAsync([Repo.Path("Models/tests/make_fill_checkpoint.py"), "--out", work.Root, .. flag]);
            await RunAsync("-m", "dvis", "--threads", "1", "import", "--arch", "r50", "--task", "vis", "--input",
                "192x320",
                "--checkpoint", work.Path($"fill_r50_{parts}.pth"), "--classes", work.Path("classes.txt"), "--out",
                folder + ".part");
            Directory.Move(folder + ".part", folder);
            return folder;
        }
        finally
        {
            s_gate.Release();
        }
    }

    private static async Task RunAsync(params string[] arguments)
    {
        // The command line of Models/ runs in its folder.
        var (code, output) = await Tool.RunAsync("/bin/sh",
            ["-c", "cd \"$0\" && exec \"$@\"", Repo.Path("Models"), Python, .. arguments]);
        Assert.True(code == 0, output);
    }

    private static string Key(string fill)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var sources = Directory.GetFiles(Repo.Path("Models/dvis"), "*.py", SearchOption.AllDirectories);
        foreach (var file in sources.Order(StringComparer.Ordinal).Append(fill))
            hash.AppendData(File.ReadAllBytes(file));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
