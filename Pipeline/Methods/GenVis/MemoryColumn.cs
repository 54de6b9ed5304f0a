namespace Dvis.Streaming.Pipeline.Methods.GenVis;

/// <summary>
/// Order of the entries of one slot's memory. Entries stay in their rows; the row of one that is forgotten or merged
/// away is given to the next. Not thread-safe.
/// </summary>
internal sealed class MemoryColumn(int capacity)
{
    public const int BytesPerEntry = sizeof(int) + sizeof(long) + sizeof(float);

    private readonly int[] _rows = new int[capacity]; // oldest first
    private readonly long[] _clips = new long[capacity]; // by row
    private readonly float[] _logClips = new float[capacity];
    private int _free = -1;

    /// <summary>Entries; they fill the rows from 0 on.</summary>
    public int Length { get; private set; }

    /// <summary>Clips added since it was empty.</summary>
    public long Seen { get; private set; }

    /// <summary>Logarithm of the clips of an entry, by row.</summary>
    public ReadOnlySpan<float> LogClips => _logClips;

    /// <summary>Row for a new entry of one clip.</summary>
    public int Add()
    {
        var row = _free >= 0 ? _free : Length;
        _free = -1;
        _rows[Length++] = row;
        (_clips[row], _logClips[row]) = (1, 0);
        Seen++;
        return row;
    }

    /// <summary>Takes the oldest entry out of a full column.</summary>
    public void Forget() => Remove(0);

    /// <summary>
    /// Joins the oldest neighbouring entries of equally many clips, or, where there are none, the two oldest: so counts
    /// fall like powers of two from the past to the newest, which stay single.
    /// </summary>
    /// <returns>The row that stays, the other one, and the share of the clips that comes from it.</returns>
    public (int Into, int From, float Share) Merge()
    {
        var older = 0;
        for (var i = 0; i + 1 < Length; i++)
        {
            if (_clips[_rows[i]] != _clips[_rows[i + 1]]) continue;
            older = i;
            break;
        }

        var (into, from) = (_rows[older], _rows[older + 1]);
        var clips = _clips[into] + _clips[from];
        var share = (float)_clips[from] / clips;
        (_clips[into], _logClips[into]) = (clips, MathF.Log(clips));
        Remove(older + 1);
        return (into, from, share);
    }

    public void Clear() => (Length, Seen, _free) = (0, 0, -1);

    private void Remove(int index)
    {
        _free = _rows[index];
        Array.Copy(_rows, index + 1, _rows, index, --Length - index);
    }
}
