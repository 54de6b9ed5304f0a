using System.Text;
using Dvis.Streaming.Sources.Rtsp;

namespace Dvis.Streaming.Pipeline.Tests.Sources.Rtsp;

public sealed class RtspMessageTests
{
    private static readonly byte[] Response =
        Encoding.ASCII.GetBytes("RTSP/1.0 200 OK\r\ncseq: 3\r\nContent-Length: 4\r\nX: a\r\nX:  b \r\n\r\nv=0\n");

    [Fact]
    public void Parse_Response_KeepsEveryByteAndFindsHeadersInAnyCase()
    {
        var message = RtspMessage.Parse(Response);

        Assert.Equal((true, 200, "3", null), (message.IsResponse, message.Status, message["CSeq"], message["Session"]));
        Assert.Equal(["a", "b"], message.Values("x"));
        Assert.Equal(Response, message.ToBytes());

        message.Set("X", "c");
        message.Set("Y", "d");
        Assert.Equal("RTSP/1.0 200 OK\r\ncseq: 3\r\nContent-Length: 4\r\nX: c\r\nY: d\r\n\r\nv=0\n",
            Encoding.ASCII.GetString(message.ToBytes()));
    }

    [Fact]
    public async Task ReadAsync_BytesInAnyPieces_GivesTheSameUnits()
    {
        byte[] packets = [(byte)'$', 0, 0, 3, 1, 2, 3, (byte)'$', 1, 0, 0];
        byte[] all = [.. Response, .. packets, .. "\r\n"u8, .. Response, .. packets];
        foreach (var piece in (int[])[1, 2, 3, 7, 50, 1000])
        {
            var reader = new RtspReader(new Pieces(all, piece));
            var (messages, data) = (0, new List<byte>());
            while (await reader.ReadAsync(default) is { IsEmpty: false } unit)
            {
                if (reader.Unit == RtspUnit.Data) data.AddRange(unit.ToArray());
                else Assert.Equal(Response, unit.ToArray());
                if (reader.Unit == RtspUnit.Message) messages++;
            }

            Assert.Equal(2, messages);
            Assert.Equal([.. packets, .. "\r\n"u8, .. packets], data);
        }
    }

    [Fact]
    public async Task ReadAsync_LongestPacket_Passes()
    {
        byte[] packet = [(byte)'$', 0, 0xff, 0xff, .. new byte[65535]];
        var reader = new RtspReader(new Pieces([.. packet, .. packet, .. packet], 70_000));
        var length = 0;
        while (await reader.ReadAsync(default) is { IsEmpty: false } unit) length += unit.Length;

        Assert.Equal(3 * packet.Length, length);
    }

    [Theory]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: 70000\r\n\r\n")]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n")]
    public void Next_ImpossibleLength_Throws(string text) =>
    Assert.Throws<FormatException>(() => RtspMessage.Next(Encoding.ASCII.GetBytes(text)));

    [Theory]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\nab", 0)]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\nab", 0)]
    [InlineData("RTSP/1.0 200 OK\nCONTENT-LENGTH:2 bytes\n\nab", 2)]
    [InlineData("RTSP/1.0 200 OK\nX: a\r\nContent-Length:\n\t2\r\n\nab", 2)]
    public void Next_OddLength_IsThatOfDecoders(string text, int body)
        => Assert.Equal((RtspUnit.Message, text.Length - 2 + body), RtspMessage.Next(Encoding.ASCII.GetBytes(text)));

    [Fact]
    public void Parse_LineFeedsAndFoldedHeaders_AreRead()
    {
        var message = RtspMessage.Parse(
            "RTSP/1.0  401  Unauthorized\nCSEQ: 3\nWWW-Authenticate: Digest\n realm=\"a\",\n\tnonce=\"b\"\n\nbody"u8);

        Assert.Equal((401, "3"), (message.Status, message["CSeq"]));
        Assert.Equal("Digest realm=\"a\", nonce=\"b\"", message["www-authenticate"]);
        Assert.EndsWith("\r\n\r\nbody", Encoding.ASCII.GetString(message.ToBytes()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_NoiseBetweenUnits_IsTakenOutInAnyPieces()
    {
        byte[] packet = [(byte)'$', 0, 0, 8, 0x80, 96, 0, 1, 0, 0, 0, 2];
        byte[] other = [(byte)'$', 6, 0, 8, 0x80, 97, 0, 1, 0, 0, 0, 2]; // of a channel that is not known
        byte[] report = [(byte)'$', 1, 0, 8, 0x81, 200, 0, 1, 0, 0, 0, 2];
        byte[][] noises =
        [
            [0], [1, 2, 3, (byte)'\n'], "hello\r\n"u8.ToArray(), "HTTP/1.1 200 OK\r\n\r\n"u8.ToArray(),
            [(byte)'$', 9, 0xff, 0xff, 0], [(byte)'$', 0, 0, 2, 7, 7], [7, (byte)'$', 0, 0xff, 0xff, 0x11, 5],
            [.. "RT"u8, 0, .. "RTSP"u8], [(byte)'x', .. new byte[70_000]],
            [7, .. other], // after noise only a known channel is one
        ];
        byte[] all = [.. Response, .. noises.SelectMany(noise => (byte[])
            [.. packet, .. noise, .. packet, .. other, .. noise, .. report, .. noise, .. Response])];
        foreach (var piece in (int[])[1, 2, 5, 64, 100_000])
        {
            var reader = new RtspReader(new Pieces(all, piece), new HashSet<int> { 0, 1 });
            var (messages, data) = (0, new List<byte>());
            while (await reader.ReadAsync(default) is { IsEmpty: false } unit)
            {
                if (reader.Unit == RtspUnit.Data) data.AddRange(unit.ToArray());
                if (reader.Unit != RtspUnit.Message) continue;
                Assert.Equal(Response, unit.ToArray());
                messages++;
            }

            Assert.Equal(1 + noises.Length, messages);
            Assert.Equal(noises.SelectMany(_ => (byte[])[.. packet, .. packet, .. other, .. report]), data);
        }
    }

    [Fact]
    public async Task ReadAsync_OnlyNoise_Throws()
    {
        foreach (var length in (int[])[7, 1 << 20])
        {
            var reader = new RtspReader(new Pieces(new byte[length], 4096));
            await Assert.ThrowsAsync<FormatException>(async () =>
            {
                while (await reader.ReadAsync(default) is { IsEmpty: false }) { }
            });
        }
    }

    /// <summary>A connection that only sends noise is no camera, though a message may follow some day.</summary>
    [Theory]
    [InlineData(1 << 18, true)]
    [InlineData((1 << 18) + 1, false)]
    public async Task ReadAsync_NoiseBeforeAMessage_IsSkippedUpToALimit(int length, bool reads)
    {
        var reader = new RtspReader(new Pieces([.. new byte[length], .. Response], 4096));

        var reading = async () =>
        {
            do await reader.ReadAsync(default);
            while (reader.Unit == RtspUnit.Noise);
        };

        if (!reads) await Assert.ThrowsAsync<FormatException>(reading);
        else await reading();
        Assert.Equal(reads, reader.Unit == RtspUnit.Message);
    }

    [Fact]
    public void Next_MessageWithoutEnd_Throws()
        => Assert.Throws<FormatException>(() =>
            RtspMessage.Next(Encoding.ASCII.GetBytes("OPTIONS " + new string('x', RtspMessage.LongestUnit))));

    [Theory]
    [InlineData("", 0)]
    [InlineData("$\0\0", 0)]
    [InlineData("$\0\0\u0002a", 6)]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r", 0)]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nabc", 42)]
    public void Next_NotWhole_SaysHowMuchItTakes(string text, int length) =>
    Assert.Equal((RtspUnit.Incomplete, length), RtspMessage.Next(Encoding.Latin1.GetBytes(text)));

    private sealed class Pieces(byte[] all, int most) : MemoryStream(all)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(most, buffer.Length)], cancellationToken);
    }
}
