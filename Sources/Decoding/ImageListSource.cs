using System.Runtime.CompilerServices;
using System.Text;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Picture files as one video: every file once, in order, nothing is dropped, a slow reader is waited for. One decoder
/// reads them all, so they must be of one format. Not paced: the frames of a data set have no clock, and count as 25
/// per second.
/// </summary>
internal sealed class ImageListSource(
    string name, IReadOnlyList<string> files, string ffmpeg, FramePool pool, TimeProvider time, bool exactColours)
    : IFrameSource
{
    public string Camera => name;

    public bool IsLive => false;

    /// <exception cref="SourceException">A file is missing or no picture; names it where the decoder does.</exception>
    public async IAsyncEnumerable<Frame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (files.FirstOrDefault(file => !File.Exists(file)) is { } missing)
            throw new SourceException(SourceFault.NotFound, $"{name}: the picture {missing} does not exist.");
        if (files.Count == 0) yield break;
        var list = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        await File.WriteAllTextAsync(list, List(), stop);
        try
        {
            var arguments = FfmpegCommand.ForImages(list, exactColours);
            await using var pass = await FfmpegSession.StartAsync(ffmpeg, arguments, new Redactor(), name, pool, time);
            while (await pass.ReadAsync(stop) is { } frame)
            {
                // The tracker's time is the position in the list, however fast the files are read.
                frame.Info = frame.Info with { Capture = frame.Info.Capture with { Source = ClockSource.FilePts } };
                yield return frame;
            }

            stop.ThrowIfCancellationRequested();
            if (await pass.EndAsync() is { } fault)
                throw new SourceException(fault.Fault, $"{name}: {fault.Message}", fault);
            if (pass.Frames != files.Count)
                throw new SourceException(SourceFault.DecodeErrors,
                    $"{name}: {pass.Frames} of its {files.Count} pictures could be decoded.");
        }
        finally
        {
            File.Delete(list);
        }
    }

    /// <summary>In the form of ffmpeg's concat demuxer.</summary>
    private string List()
    {
        var text = new StringBuilder("ffconcat version 1.0\n");
        foreach (var file in files)
        {
            if (file.AsSpan().ContainsAny('\n', '\r'))
                throw new SourceException(SourceFault.Config, $"{name}: the name of a picture has a line break in it.");
            text.Append("file 'file:").Append(Path.GetFullPath(file).Replace("'", @"'\''", StringComparison.Ordinal))
                .Append("'\n");
        }

        return text.ToString();
    }
}
