using System.Diagnostics;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Decoding.Nut;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Decoding;

public sealed class NutReaderTests
{
    private static readonly byte[] s_pixels = [1, 2, 3, 4, 5, 6];

    [Fact]
    public async Task ReadHeaderAsync_ShortAndFullTimestamps_GivesThemBack()
    {
        // Low seven bits around the last timestamp; beyond 128: the timestamp plus 128.
        var nut = NutWriter.Start(2, 1).Sync(1000).Frame((ulong)(1001 & 127), s_pixels).Frame(128 + 5000, s_pixels)
            .NextFrame(s_pixels).Frame((ulong)(4990 & 127), s_pixels);

        var (frames, video) = await ReadAsync(nut.ToArray());

        Assert.Equal(new NutStreamHeader(2, 1, new Timebase(1, 25), 7), video);
        Assert.Equal([1001, 5000, 5001, 4990], frames.Select(f => f.Pts));
        Assert.All(frames, f => Assert.Equal(s_pixels, f.Pixels));
    }

    [Fact]
    public async Task ReadHeaderAsync_CodedFlags_ToggleTheTablesFlags()
    {
        // Code 3 codes timestamp and size unless the coded flags say otherwise;
        // toggling the size away leaves an empty frame.
        var nut = NutWriter.Start(2, 1).Sync(7).Raw([3]).V(0).V(128 + 9).V(6).Raw(s_pixels)
            .Raw([3]).V((ulong)NutFlags.SizeMsb).V(128 + 10).NextFrame(s_pixels);

        var (frames, _) = await ReadAsync(nut.ToArray());

        Assert.Equal([9, 11], frames.Select(f => f.Pts));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(4096)]
    public async Task ReadHeaderAsync_AnyChunking_ReadsTheSame(int chunk)
    {
        var nut = NutWriter.Start(2, 1).Packet(NutWriter.Info, b => b.Raw(new byte[5000])).Sync(0).Frame(128, s_pixels)
            .NextFrame(s_pixels);

        var (frames, _) = await ReadAsync(nut.ToArray(), chunk);

        Assert.Equal([0, 1], frames.Select(f => f.Pts));
        Assert.All(frames, f => Assert.Equal(s_pixels, f.Pixels));
    }

    [Fact]
    public async Task ReadHeaderAsync_FrameWhollyInThePipe_IsNotHeldBackForMore()
    {
        // One 1x1 frame and then silence: it must come out although the reader could ask for a header's worth more.
        var bytes = NutWriter.Start(1, 1).Sync(0).Frame(128, [1, 2, 3]).ToArray();
        var reader = new NutReader(new ChunkStream(bytes, bytes.Length, endless: true));

        var header = await reader.ReadHeaderAsync(default);
        var pixels = new byte[3];
        await reader.ReadPayloadAsync(pixels, default);

        Assert.Equal((0L, 3), (header!.Value.Pts, header.Value.Bytes));
        Assert.Equal([1, 2, 3], pixels);
    }

    [Theory]
    [InlineData(16385, 2)]
    [InlineData(2, 16385)]
    [InlineData(0, 2)]
    public async Task ReadHeaderAsync_AbsurdPicture_Throws(int width, int height)
    {
        var fault =
            await Assert.ThrowsAsync<SourceException>(() => ReadAsync(NutWriter.Start(width, height).ToArray()));

        Assert.Equal(SourceFault.DecodeErrors, fault.Fault);
        Assert.Contains("16384", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadHeaderAsync_EveryTruncation_ThrowsOrEndsBetweenFrames()
    {
        var start = NutWriter.Start(2, 1).Sync(0).ToArray().Length;
        var bytes = NutWriter.Start(2, 1).Sync(0).Frame(128, s_pixels).NextFrame(s_pixels).ToArray();
        int[] clean = [25, start, start + 10, bytes.Length];
        for (var length = 0; length < bytes.Length; length++)
        {
            var cut = bytes[..length];
            var fault = await Record.ExceptionAsync(() => ReadAsync(cut));
            if (fault is null) continue; // ended between two packets
            Assert.Equal(SourceFault.Eof, Assert.IsType<SourceException>(fault).Fault);
            Assert.DoesNotContain(length, clean);
        }
    }

    [Fact]
    public async Task ReadHeaderAsync_Garbage_Throws()
        => Assert.Equal(SourceFault.DecodeErrors,
            (await Assert.ThrowsAsync<SourceException>(() => ReadAsync("HTTP/1.1 200 OK\r\n\r\n"u8.ToArray()))).Fault);

    [Fact]
    public async Task ReadHeaderAsync_PacketThatClaimsGigabytes_ThrowsAtOnce()
    {
        var bytes = NutWriter.Start(2, 1).Raw([0x4E, 0x49, 0xAB, 0x68, 0xB5, 0x96, 0xBA, 0x78]).V(1UL << 40).ToArray();

        Assert.Equal(SourceFault.DecodeErrors,
            (await Assert.ThrowsAsync<SourceException>(() => ReadAsync(bytes))).Fault);
    }

    [Fact]
    public async Task ReadHeaderAsync_MutatedStreams_ThrowOnlySourceExceptions()
    {
        var valid = NutWriter.Start(2, 1).Sync(1000).Frame(128 + 1000, s_pixels).NextFrame(s_pixels).Sync(1002)
            .NextFrame(s_pixels).ToArray();
        var random = new Random(4711);
        var (survived, watch) = (0, Stopwatch.StartNew());
        for (var round = 0; round < 20_000 && watch.Elapsed < TimeSpan.FromSeconds(10); round++)
        {
            var bytes = (byte[])valid.Clone();
            for (var n = random.Next(1, 4); n > 0; n--)
            {
                var at = random.Next(bytes.Length);
                bytes[at] = random.Next(3) switch
                {
                    0 => (byte)random.Next(256),
                    1 => (byte)(bytes[at] ^ (1 << random.Next(8))),
                    _ => 0xFF
                };
            }

            var fault = await Record.ExceptionAsync(() => ReadAsync(bytes, random.Next(1, 64)));
            if (fault is null) survived++;
            else Assert.IsType<SourceException>(fault);
        }

        Assert.InRange(survived, 1, 19_000); // both happened
    }

    // Reads as a session does, but allocates no frames of another size than the header's.
    private static async Task<(List<(long Pts, byte[] Pixels)> Frames, NutStreamHeader? Video)> ReadAsync(byte[] bytes,
        int chunk = 4096)
    {
        var reader = new NutReader(new ChunkStream(bytes, chunk));
        var frames = new List<(long, byte[])>();
        while (await reader.ReadHeaderAsync(default) is { } frame)
        {
            if (frame.Bytes != reader.Video!.Width * reader.Video.Height * 3) throw NutFault.Malformed("size");
            var pixels = new byte[Math.Min(frame.Bytes, 1 << 20)];
            await reader.ReadPayloadAsync(pixels, default);
            if (reader.Remaining > 0) throw NutFault.Malformed("too large for a test");
            frames.Add((frame.Pts, pixels));
        }

        return (frames, reader.Video);
    }

    /// <summary>Hands out a few bytes at a time, as a pipe may.</summary>
    private sealed class ChunkStream(byte[] bytes, int chunk, bool endless = false) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (endless && Position == Length) return new ValueTask<int>(new TaskCompletionSource<int>().Task);
            return ValueTask.FromResult(Read(buffer.Span[..Math.Min(chunk, buffer.Length)]));
        }
    }
}
