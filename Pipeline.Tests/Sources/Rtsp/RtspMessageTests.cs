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
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: x\r\n\r\n")]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("RTSP/1.0 200 OK\r\nContent-Length: 70000\r\n\r\n")]
    public void Next_ImpossibleLength_Throws(string text) =>
    Assert.Throws<FormatException>(() => RtspMessage.Next(Encoding.ASCII.GetBytes(text)));

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
