using System.IO.Pipes;
using System.Text;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

namespace Dvis.Streaming.Pipeline.Tests.Common;

/// <summary>Lines to a descriptor that is full, closed or not read: nothing waits, nothing fails, the rest is counted.
/// </summary>
public sealed class LineOutputTests
{
    private static readonly TimeSpan s_long = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Post_WhatIsRead_ArrivesInOrder()
    {
        await using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        var output = new LineOutput((int)pipe.ClientSafePipeHandle.DangerousGetHandle());
        for (var i = 0; i < 1000; i++) output.Post(Line($"{i}"));
        using var reader = new StreamReader(pipe);
        for (var i = 0; i < 1000; i++) Assert.Equal($"{i}", await reader.ReadLineAsync());
        Assert.True(output.Flush(s_long));
        Assert.Equal(0, output.Lost);
    }

    [Fact]
    public void Post_DiskFull_LinesAreCounted()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "no /dev/full");
        using var full = File.OpenHandle("/dev/full", access: FileAccess.Write);
        var output = new LineOutput((int)full.DangerousGetHandle());
        for (var i = 0; i < 10; i++) output.Post(Line("x"));
        Assert.True(output.Flush(s_long));
        Assert.Equal(10, output.Lost);
    }

    [Theory]
    [InlineData(false)] // its reader has ended
    [InlineData(true)]  // there is no such descriptor
    public void Post_Closed_LinesAreCounted(bool none)
    {
        var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        using var end = pipe.ClientSafePipeHandle;
        var output = new LineOutput(none ? -1 : (int)end.DangerousGetHandle());
        if (!none) pipe.SafePipeHandle.Dispose();
        for (var i = 0; i < 10; i++) output.Post(Line("x"));
        Assert.True(output.Flush(s_long));
        Assert.Equal(10, output.Lost);
        pipe.Dispose();
    }

    /// <summary>The file system has two pages: the log fills the first, another file the second; then that is deleted.
    /// </summary>
    [Fact]
    public void Post_DiskFullAndThenNot_LinesComeAgain_AndNoneIsTornApart()
    {
        using var disk = SmallDisk.Mount(8192);
        using var log = File.OpenHandle(disk.Path("log"), FileMode.Create, FileAccess.Write);
        var output = new LineOutput((int)log.DangerousGetHandle());
        var line = new string('a', 99);
        File.WriteAllBytes(disk.Path("fill"), new byte[4096]);
        for (var i = 0; i < 60; i++) output.Post(Line(line)); // 40 fit, and 96 bytes of the next
        Assert.True(output.Flush(s_long));
        Assert.Equal(20, output.Lost);

        File.Delete(disk.Path("fill"));
        output.Post(Line("again"));
        Assert.True(output.Flush(s_long));
        Assert.Equal(20, output.Lost);
        Assert.Equal([.. Enumerable.Repeat(line, 40), line[..96], "again"], File.ReadAllLines(disk.Path("log")));
    }

    [Fact]
    public async Task Post_ReaderThatDoesNotRead_NeitherWaitsNorGrows_AndDurableLinesHaveRoom()
    {
        await using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        var output = new LineOutput((int)pipe.ClientSafePipeHandle.DangerousGetHandle());
        var line = Line(new string('t', (1 << 20) - 1));
        for (var i = 0; i < 10; i++) output.Post(line, durable: false);
        Assert.Equal(8, output.Lost); // 2 MiB wait
        for (var i = 0; i < 10; i++) output.Post(line);
        Assert.Equal(16, output.Lost); // 4 MiB
        Assert.False(output.Flush(TimeSpan.Zero));

        using var reader = new StreamReader(pipe);
        for (var i = 0; i < 4; i++) Assert.Equal((1 << 20) - 1, (await reader.ReadLineAsync())!.Length);
        output.Post(Line("again"));
        Assert.Equal("again", await reader.ReadLineAsync());
        Assert.Equal(16, output.Lost);
    }

    [Fact]
    public async Task AwaitRoom_ReaderThatDoesNotRead_WaitsUntilItReads_OrUntilCancelled()
    {
        await using var pipe = new AnonymousPipeServerStream(PipeDirection.In);
        var output = new LineOutput((int)pipe.ClientSafePipeHandle.DangerousGetHandle());
        output.Post(Line(new string('t', 1 << 20)));
        using var cancel = new CancellationTokenSource();
        var cancelled = Task.Run(() => output.AwaitRoom(cancel.Token), CancellationToken.None);
        var waiting = Task.Run(() => output.AwaitRoom(default));
        await cancel.CancelAsync();
        await cancelled;
        Assert.False(waiting.IsCompleted);

        using var reader = new StreamReader(pipe);
        Assert.Equal(1 << 20, (await reader.ReadLineAsync())!.Length);
        await waiting;
        Assert.Equal(0, output.Lost);
    }

    private static byte[] Line(string text) => Encoding.UTF8.GetBytes(text + "\n");
}
