using System.Text.RegularExpressions;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary><c>./run</c> in a <see cref="ScriptTree"/>, with a real Mosquitto.</summary>
public sealed partial class RunScriptTests : IDisposable
{
    private const string Dotnet = """
        #!/bin/bash
        output=artifacts/bin/Dvis.Streaming.Hosting/release
        case "$1 $2" in
          --version*) echo 10 ;;
          restore*) ;;
          build*) sleep 3; mkdir -p $output; : >$output/dvis.dll ;;
          *' validate') printf 'x:\n  bind: 127.0.0.1:0\n  servers: ["mqtt://127.0.0.1:%s"]\n' $DVIS_MQTT_PORT ;;
          *' run') mosquitto_pub -p $DVIS_MQTT_PORT -t a -m b && echo 'the service ran'; exit 7 ;;
        esac
        """;

    private const string Broken = """
        #!/bin/bash
        case $1 in
          build) echo 'Program.cs(1,2): error CS1002: ; expected'; exit 1 ;;
        esac
        """;

    private readonly ScriptTree _tree = new("run");

    public void Dispose() => _tree.Dispose();

    [Fact]
    public async Task Run_FirstTime_PrintsEachStepWithItsSeconds()
    {
        Assert.SkipUnless(MosquittoBroker.Executable("mosquitto") is not null, "mosquitto is not installed.");
        _tree.Program("dotnet", Dotnet);

        var (code, output) = await _tree.RunAsync();

        Assert.Equal(7, code);
        Assert.Equal(
            [
                "the first build downloads 250 MB of packages", "restoring the packages of Hosting", "building Hosting",
                "checking the configuration", "starting Mosquitto on PORT, which ends with this run",
                "loading the model",
            ],
            Step().Matches(output).Select(m => Address().Replace(m.Groups[1].Value, "PORT")));
        Assert.Matches(@"building Hosting \.+ \d+ s\n", output);
        Assert.Contains("the service ran\n", output);
    }

    [Fact]
    public async Task Run_DoesNotBuild_PrintsTheCompilersErrors()
    {
        _tree.Program("dotnet", Broken);

        var (code, output) = await _tree.RunAsync();

        Assert.Equal(1, code);
        Assert.Contains("error CS1002", output);
        Assert.Contains("run: Hosting does not build.", output);
    }

    [GeneratedRegex(@"(?m)^run: (.*?)(?: \.* ?\d+ s)?$")]
    private static partial Regex Step();

    [GeneratedRegex(@"127\.0\.0\.1:\d+")]
    private static partial Regex Address();
}
