using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary><c>./dvis</c> in a tree of its own, with a <c>dotnet</c> that only notes what it was asked to do.</summary>
public sealed class DvisScriptTests : IDisposable
{
    private const string Dotnet = """
        #!/bin/bash
        output=artifacts/bin/Dvis.Streaming.Hosting/release
        case $1 in
          --version) echo 10 ;;
          build) echo "$*" >>builds; mkdir -p $output; : >$output/dvis.dll ;;
          *) echo "$PWD|$1|$2|$3"; exit 7 ;;
        esac
        """;

    private readonly TempFolder _temp = new();

    public DvisScriptTests()
    {
        foreach (var folder in (string[])["bin", "elsewhere"]) Directory.CreateDirectory(_temp.Path(folder));
        foreach (var folder in (string[])["deploy", "Hosting", "Pipeline", "Sinks", "Sources", "Sources.OpenCv"])
            Directory.CreateDirectory(_temp.Path("tree/" + folder));
        foreach (var file in (string[])["dvis", "deploy/setup.sh"])
            File.Copy(Repo.Path(file), _temp.Path("tree/" + file));
        foreach (var file in (string[])["global.json", "Some.props", "Hosting/Program.cs", "Hosting/Other.cs"])
            File.WriteAllText(_temp.Path("tree/" + file), "");
        File.WriteAllText(_temp.Path("libonnxruntime.so.1"), "a library");
        Program("dotnet", Dotnet);
        Program("ldconfig", "#!/bin/bash\necho libmosquitto.so.1\n");
        foreach (var tool in (string[])["ffmpeg", "mosquitto", "mosquitto_sub"]) Program(tool, "#!/bin/bash\n");
    }

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task Dvis_RunsInTheCallersFolder_WithItsArgumentsAndTheExitCode()
    {
        var (code, output) = await RunAsync("probe", "a b.mp4");

        Assert.Equal(7, code);
        var program = _temp.Path("tree/artifacts/bin/Dvis.Streaming.Hosting/release/dvis.dll");
        Assert.Contains($"{_temp.Path("elsewhere")}|{program}|probe|a b.mp4\n", output);
    }

    [Fact]
    public async Task Dvis_BuildsOnlyWhenSomethingChanged()
    {
        await RunAsync();
        await RunAsync();
        Assert.Equal(1, Builds);

        File.SetLastWriteTimeUtc(_temp.Path("tree/Hosting/Program.cs"), TimeProvider.System.GetUtcNow().UtcDateTime);
        await RunAsync();
        Assert.Equal(2, Builds);

        File.Delete(_temp.Path("tree/Hosting/Other.cs"));
        await RunAsync();
        await RunAsync();
        Assert.Equal(3, Builds);
    }

    private int Builds => File.ReadLines(_temp.Path("tree/builds"))
        .Count(line => line.StartsWith("build Hosting -c Release ", StringComparison.Ordinal));

    private Task<(int Code, string Output)> RunAsync(params string[] arguments) => Tool.RunAsync("env",
    [
        "-C", _temp.Path("elsewhere"), $"PATH={_temp.Path("bin")}:{Environment.GetEnvironmentVariable("PATH")}",
        $"DVIS_ONNXRUNTIME={_temp.Path("libonnxruntime.so.1")}", "../tree/dvis", .. arguments,
    ]);

    private void Program(string name, string text)
    {
        var path = _temp.Path("bin/" + name);
        File.WriteAllText(path, text);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.UserExecute);
    }
}
