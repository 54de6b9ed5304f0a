namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary><c>./dvis</c> in a <see cref="ScriptTree"/>, with a <c>dotnet</c> that only notes its arguments.</summary>
public sealed class DvisScriptTests : IDisposable
{
    private const string Dotnet = """
        #!/bin/bash
        output=artifacts/bin/Dvis.Streaming.Hosting/release
        case $1 in
          --version) echo 10 ;;
          restore) ;;
          build) echo "$*" >>builds; mkdir -p $output; : >$output/dvis.dll ;;
          *) echo "$PWD|$1|$2|$3"; exit 7 ;;
        esac
        """;

    private readonly ScriptTree _tree = new("dvis");

    public DvisScriptTests()
    {
        foreach (var tool in (string[])["mosquitto", "mosquitto_sub"]) _tree.Program(tool, "#!/bin/bash\n");
        _tree.Program("dotnet", Dotnet);
    }

    public void Dispose() => _tree.Dispose();

    [Fact]
    public async Task Dvis_RunsInTheCallersFolder_WithItsArgumentsAndTheExitCode()
    {
        var (code, output) = await _tree.RunAsync("probe", "a b.mp4");

        Assert.Equal(7, code);
        var program = _tree.File("artifacts/bin/Dvis.Streaming.Hosting/release/dvis.dll");
        Assert.Contains($"{_tree.Elsewhere}|{program}|probe|a b.mp4\n", output);
    }

    [Fact]
    public async Task Dvis_BuildsOnlyWhenSomethingChanged()
    {
        await _tree.RunAsync();
        await _tree.RunAsync();
        Assert.Equal(1, Builds);

        File.SetLastWriteTimeUtc(_tree.File("Hosting/Program.cs"), TimeProvider.System.GetUtcNow().UtcDateTime);
        await _tree.RunAsync();
        Assert.Equal(2, Builds);

        File.Delete(_tree.File("Hosting/Other.cs"));
        await _tree.RunAsync();
        await _tree.RunAsync();
        Assert.Equal(3, Builds);
    }

    private int Builds => File.ReadLines(_tree.File("builds"))
        .Count(line => line.StartsWith("build Hosting -c Release ", StringComparison.Ordinal));
}
