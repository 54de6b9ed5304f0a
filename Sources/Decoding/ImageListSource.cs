using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Image files as one video: every file once, in order, unpaced; a slow reader slows the decoder. One decoder reads
/// them all, so they must be of one format. The frames of a data set have no clock, and count as 25 per second.
/// </summary>
/// <param name="name">Name of the video, for messages.</param>
/// <param name="ffmpeg">Decoder program: a path, or a name in PATH.</param>
/// <param name="exactColours">True: as libjpeg decodes; false: coarser, as files and cameras are decoded.</param>
public sealed class ImageListSource(
    string name, IReadOnlyList<string> files, string ffmpeg, FramePool pool, TimeProvider time,
    bool exactColours = true)
    : IFrameSource
{
    public string Camera => name;

    public bool IsLive => false;

    /// <exception cref="SourceException">A file is missing or not an image.</exception>
    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (files.FirstOrDefault(file => !File.Exists(file)) is { } missing)
            throw new SourceException(SourceFault.NotFound, $"{name}: the image {missing} does not exist.");
        if (files.Any(file => file.AsSpan().ContainsAny('\n', '\r')))
            throw new SourceException(SourceFault.Config, $"{name}: the name of an image has a line break in it.");
        if (files.Count == 0) yield break;
        var list = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            await File.WriteAllLinesAsync(list, ["ffconcat version 1.0", .. files.Select(Entry)], stop);
            var arguments = FfmpegCommand.ForImages(list, exactColours);
            await using var pass = await FfmpegSession.StartAsync(ffmpeg, arguments, new Redactor(), name, pool, time);
            var session = -1;
            while (await pass.ReadAsync(stop) is { } frame)
            {
                if (frame.Begins) session++;
                // FilePts: the tracker's time is the position in the list, however fast the files are read.
                var capture = new CaptureTime(frame.Received, ClockSource.FilePts, 0, ErrorMs: null, Synced: false);
                yield return frame.Stamp(name, pass.Frames - 1, session, frame.Pts, capture);
            }

            stop.ThrowIfCancellationRequested();
            if (await pass.EndAsync() is { } fault)
                throw new SourceException(fault.Fault, $"{name}: {fault.Message}", fault);
            if (pass.Frames != files.Count)
                throw new SourceException(SourceFault.DecodeErrors,
                    $"{name}: {pass.Frames} of its {files.Count} images could be decoded.");
        }
        finally
        {
            File.Delete(list);
        }
    }

    // Of ffmpeg's concat demuxer.
    private static string Entry(string file)
        => $"file 'file:{Path.GetFullPath(file).Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
