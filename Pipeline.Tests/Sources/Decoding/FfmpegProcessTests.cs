using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

public sealed class FfmpegProcessTests
{
    private readonly FfmpegLog _log = new(new Redactor());

    [Fact(Timeout = 120_000)]
    public async Task DisposeAsync_RunningChild_IsKilledAndReaped()
    {
        var process = await StartAsync("sleep", "1000");
        var id = process.Id;
        Assert.True(Directory.Exists($"/proc/{id}"));

        await process.DisposeAsync();

        Assert.False(Directory.Exists($"/proc/{id}"), "killed but not reaped, or not killed");
    }

    [Fact(Timeout = 120_000)]
    public async Task DisposeAsync_LeavesNoPipeToTheGarbageCollector()
    {
        var process = await StartAsync("sleep", "1000");
        var pipes = new[] { 1, 2 }.Select(fd => File.ResolveLinkTarget($"/proc/{process.Id}/fd/{fd}", false)!.Name)
            .ToArray();
        Assert.Equal(2, OwnFiles().Intersect(pipes).Count());

        await process.DisposeAsync();

        Assert.Empty(OwnFiles().Intersect(pipes));
    }

    [Fact(Timeout = 120_000)]
    public async Task DisposeAsync_ChildWithChildren_LeavesNone()
    {
        var process = await StartAsync("sh", "-c", "sleep 1000 & echo $!; wait");
        using var reader = new StreamReader(process.Output, leaveOpen: true);
        var (child, grandchild) = (process.Id, await reader.ReadLineAsync());

        await process.DisposeAsync();

        Assert.False(Directory.Exists($"/proc/{child}"));
        // It is killed, but this process does not reap it: its new parent does, some time later.
        await Eventually.TrueAsync(() => IsDead(grandchild!), "the grandchild is dead");
    }

    private static bool IsDead(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/status").Contains("State:\tZ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return true; // gone, maybe while it was read
        }
    }

    [Fact(Timeout = 120_000)]
    public async Task StartAsync_Arguments_ReachTheChildUntouched()
    {
        await using var process = await StartAsync("printf", "%s|", "a b", "$HOME", "`id`", "'\"", "*");

        Assert.Equal("a b|$HOME|`id`|'\"|*|", await new StreamReader(process.Output).ReadToEndAsync());
        Assert.Equal(0, await process.Exited);
    }

    [Fact(Timeout = 120_000)]
    public async Task Exited_AfterTheLastMessage_HasThemAllInTheLog()
    {
        await using var process =
            await StartAsync("sh", "-c", "for i in 1 2 3; do echo \"[error] message $i\" >&2; done; exit 3");

        Assert.Equal(3, await process.Exited);
        Assert.Equal("message 1; message 2; message 3", _log.Tail);
    }

    [Fact(Timeout = 120_000)]
    public async Task Exited_EndlessLine_IsCut()
    {
        await using var process = await StartAsync("sh", "-c",
            "printf '[error] ' >&2; head -c 1000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo '[error] next' >&2");

        await process.Exited;

        Assert.EndsWith("; next", _log.Tail, StringComparison.Ordinal);
        Assert.InRange(_log.Tail.Length, 1, 400);
    }

    [Theory]
    [InlineData("no-such-program")]
    [InlineData("/no/such/program")]
    public async Task StartAsync_NoSuchProgram_IsAConfigurationFault(string program)
        => Assert.Equal(SourceFault.Config,
            (await Assert.ThrowsAsync<SourceException>(() => StartAsync(program))).Fault);

    private static IEnumerable<string> OwnFiles()
    {
        foreach (var file in Directory.EnumerateFiles("/proc/self/fd"))
        {
            string? target = null;
            try
            {
                target = File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name;
            }
            catch (IOException)
            {
                // It was closed meanwhile.
            }

            if (target is not null) yield return target;
        }
    }

    private Task<FfmpegProcess> StartAsync(string program, params string[] arguments)
        => FfmpegProcess.StartAsync(program, arguments, _log, "test", TimeProvider.System);
}
