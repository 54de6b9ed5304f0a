using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Dvis.Streaming.Evaluation.Formats;
using Dvis.Streaming.Evaluation.Masks;
using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Evaluation.Masks;

/// <summary>PNG in and out: every kind that label maps come in, every filter, and nothing that is damaged.</summary>
public sealed class PngTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    public void Encode_ThenDecode_IsTheSame(int channels)
    {
        var random = new Random(channels);
        for (var round = 0; round < 50; round++)
        {
            var (width, height) = (random.Next(1, 40), random.Next(1, 40));
            var pixels = new byte[width * height * channels];
            random.NextBytes(pixels);
            var image = PngReader.Decode(PngWriter.Encode(new PngImage(width, height, channels, pixels)));
            Assert.Equal((width, height, channels), (image.Width, image.Height, image.Channels));
            Assert.Equal(pixels, image.Pixels);
            Assert.Null(image.Palette);
        }
    }

    [Fact]
    public void Crc_IsThatOfTheSpecification() => Assert.Equal(0xCBF43926u, PngWriter.Crc("123456789"u8));

    // Each row says its filter; what comes out was computed by hand: Paeth of (left 10,
    // up 20, corner 5) is up, and so on.
    [Fact]
    public void Decode_EveryFilter_IsUndone()
    {
        byte[] rows = [
            0, 10, 20, 30, // as it is
            1, 1, 1, 1, // left: 1 2 3
            2, 1, 1, 1, // up: 2 3 4
            3, 1, 1, 1, // mean of left and up: (0+2)/2+1=2, (2+3)/2+1=3, (3+4)/2+1=4
            4, 1, 1, 1]; // Paeth: up 2+1=3; of (3,3,2): left 3+1=4; of (4,4,3): left 4+1=5
        var image = PngReader.Decode(Png(3, 5, 8, 0, rows));
        byte[] expected = [10, 20, 30, 1, 2, 3, 2, 3, 4, 2, 3, 4, 3, 4, 5];
        Assert.Equal(expected, image.Pixels);
    }

    [Theory]
    [InlineData(1, new byte[] { 0, 0b1010_0000 }, new byte[] { 1, 0, 1 })]
    [InlineData(2, new byte[] { 0, 0b1101_1000 }, new byte[] { 3, 1, 2 })]
    [InlineData(4, new byte[] { 0, 0xA3, 0xF0 }, new byte[] { 10, 3, 15 })]
    public void Decode_SmallLabels_KeepTheirValues(int depth, byte[] rows, byte[] expected)
    {
        Assert.Equal(expected, PngReader.Decode(Png(3, 1, depth, 0, rows)).Pixels);
        var indexed = PngReader.Decode(Png(3, 1, depth, 3, rows, palette: [1, 2, 3, 4, 5, 6]));
        Assert.Equal(expected, indexed.Pixels);
        byte[] colours = [1, 2, 3, 4, 5, 6];
        Assert.Equal(colours, indexed.Palette);
    }

    [Fact]
    public void Decode_DataInSeveralChunks_AndOthersBetween_IsRead()
    {
        var png = Png(2, 2, 8, 0, [0, 1, 2, 0, 3, 4], pieces: 3, note: true);
        byte[] expected = [1, 2, 3, 4];
        Assert.Equal(expected, PngReader.Decode(png).Pixels);
    }

    [Fact]
    public void Decode_MapsOfAnotherProgram_HaveTheAreasTheirListStates()
    {
        using var truth = VipsegTruth.Open(Shared.Path("data/cases/panoptic/01_perfect"));
        foreach (var frame in truth.Frames(truth.Videos[0]))
            foreach (var segment in frame.Segments) Assert.Equal(segment.Area, frame.Ids.Count(id => id == segment.Id));
    }

    [Fact]
    public void Decode_AnyByteChanged_IsRefused()
    {
        var png = Png(7, 5, 8, 2, new byte[5 * 22]);
        for (var at = 0; at < png.Length; at++)
        {
            byte[] damaged = [.. png];
            damaged[at] ^= 0x41;
            Assert.Throws<FormatException>(() => PngReader.Decode(damaged));
        }
    }

    [Fact]
    public void Decode_CutAnywhere_IsRefused()
    {
        var png = Png(7, 5, 8, 2, new byte[5 * 22]);
        for (var length = 0; length < png.Length; length++)
            Assert.Throws<FormatException>(() => PngReader.Decode(png.AsSpan(0, length)));
    }

    [Theory]
    [InlineData(30000, 8000, 8, 2, 0, "too little data for its size")]
    [InlineData(40000, 1, 8, 2, 0, "40000x1 pixels are not read")]
    [InlineData(0, 1, 8, 2, 0, "0x1 pixels are not read")]
    [InlineData(1, 1, 16, 2, 0, "16 bits a sample (colour type 2) are not read")]
    [InlineData(1, 1, 8, 7, 0, "unknown colour type 7")]
    [InlineData(1, 1, 8, 3, 0, "it has no palette")]
    [InlineData(1, 1, 8, 0, 1, "interlaced")]
    [InlineData(1, 2, 8, 0, 0, "its data is damaged")]
    [InlineData(2, 1, 8, 0, 0, "its data is damaged")]
    public void Decode_WhatIsNotRead_SaysWhy(int width, int height, int depth, int type, int interlace, string says)
        => Assert.Contains(says,
            Assert.Throws<FormatException>(() =>
                PngReader.Decode(Png(width, height, depth, type, [0, 1], interlace: interlace))).Message,
                StringComparison.Ordinal);

    [Fact]
    public void Decode_MoreDataThanPixels_IsRefused()
        => Assert.Contains("more data", Assert.Throws<FormatException>(() =>
            PngReader.Decode(Png(1, 1, 8, 0, [0, 1, 0, 2]))).Message, StringComparison.Ordinal);

    [Fact]
    public void Decode_UnknownFilter_IsRefused()
        => Assert.Contains("unknown filter 5", Assert.Throws<FormatException>(() =>
            PngReader.Decode(Png(1, 1, 8, 0, [5, 1]))).Message, StringComparison.Ordinal);

    [Fact]
    public void Read_NoPng_NamesTheFile()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.Path("x.png"), "GIF89a");
        Assert.Equal($"{folder.Path("x.png")}: the picture cannot be read: it is not a PNG.",
            Assert.Throws<EvaluationException>(() => LabelMapFile.Read(folder.Path("x.png"))).Message);
    }

    private static byte[] Png(int width, int height, int depth, int type, byte[] rows, byte[]? palette = null,
        int interlace = 0, int pieces = 1, bool note = false)
    {
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9], header[12]) = ((byte)depth, (byte)type, (byte)interlace);
        Chunk("IHDR", header);
        if (note) Chunk("tEXt", "any"u8.ToArray());
        if (palette is not null) Chunk("PLTE", palette);
        using var packed = new MemoryStream();
        using (var stream = new ZLibStream(packed, CompressionLevel.Fastest, leaveOpen: true)) stream.Write(rows);
        foreach (var piece in packed.ToArray().Chunk((int)(packed.Length + pieces - 1) / pieces)) Chunk("IDAT", piece);
        Chunk("IEND", []);
        return file.ToArray();

        void Chunk(string name, byte[] content)
        {
            byte[] body = [.. Encoding.ASCII.GetBytes(name), .. content], number = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(number, content.Length);
            file.Write(number);
            file.Write(body);
            BinaryPrimitives.WriteUInt32BigEndian(number, PngWriter.Crc(body));
            file.Write(number);
        }
    }
}
