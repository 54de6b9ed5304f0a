using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Bounding box of a mask's foreground, in cells of the grid.</summary>
internal readonly record struct MaskCrop(int X, int Y, int Width, int Height)
{
    /// <summary>Finds the box in a pass over the runs, and replaces <paramref name="runs"/> by the run lengths over it:
    /// column-major, background first, none for an empty mask.</summary>
    public static MaskCrop Of(RunLengthMask mask, List<uint> runs)
    {
        runs.Clear();
        var (x, y, columns, rows) = mask.Bounds();
        var box = new MaskCrop(x, y, columns, rows);
        if (columns == 0) return box;
        var (height, start, written) = (mask.Height, 0L, 0L);
        for (var i = 0; i < mask.Counts.Length; start += mask.Counts[i++])
        {
            if (i % 2 == 0 || mask.Counts[i] == 0) continue;
            // A run over several columns touches top and bottom, so the box has every row: each run stays one run.
            var at = (start / height - box.X) * box.Height + start % height - box.Y;
            if (runs.Count > 0 && at == written)
            {
                // The cells between ended at the box's bottom and top: the runs meet.
                runs[^1] += (uint)mask.Counts[i];
            }
            else
            {
                runs.Add((uint)(at - written));
                runs.Add((uint)mask.Counts[i]);
            }

            written = at + mask.Counts[i];
        }

        var rest = (long)box.Width * box.Height - written;
        if (rest > 0) runs.Add((uint)rest);
        return box;
    }
}
