using System.Runtime.InteropServices;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>Distribution of records over the parts of a message. A group (a track) has a head, repeated in every part
/// with some of it, and items (its frames), never cut; it stays whole unless it is larger than a part. Reused; one
/// thread.</summary>
internal sealed class PartPlan
{
    /// <summary>More parts than any message has; for measuring.</summary>
    public const int MaxParts = 99_999;

    private readonly List<(int Head, int FirstItem)> _groups = [];
    private readonly List<int> _items = [];
    private readonly List<Slice> _slices = [];

    /// <summary>Items of a group in one part; items are numbered over all groups.</summary>
    public readonly record struct Slice(int Part, int Group, int FirstItem, int Items);

    /// <summary>Slices in order; valid until the next plan.</summary>
    public ReadOnlySpan<Slice> Slices => CollectionsMarshal.AsSpan(_slices);

    /// <summary>Number of parts, at least 1: an empty message is one, too.</summary>
    public int Parts { get; private set; }

    /// <summary>Items larger than a part, in no slice.</summary>
    public int Lost { get; private set; }

    public void Clear()
    {
        _groups.Clear();
        _items.Clear();
        _slices.Clear();
        (Parts, Lost) = (1, 0);
    }

    /// <param name="head">Bytes of the group without its items, closing brackets included.</param>
    public void AddGroup(int head) => _groups.Add((head, _items.Count));

    /// <summary>Adds an item to the last group.</summary>
    public void AddItem(int bytes) => _items.Add(bytes);

    /// <summary>Adds a group of one item without a head.</summary>
    public void AddSingle(int bytes)
    {
        AddGroup(0);
        AddItem(bytes);
    }

    /// <param name="room">Bytes of a part for groups and the commas between them.</param>
    public void Make(int room)
    {
        var (part, used) = (0, 0);
        for (var g = 0; g < _groups.Count; g++)
        {
            var (head, first) = _groups[g];
            head++;
            var end = g + 1 < _groups.Count ? _groups[g + 1].FirstItem : _items.Count;
            var whole = head;
            for (var i = first; i < end; i++) whole += _items[i] + 1;
            if (used + whole > room && whole <= room) (part, used) = (part + 1, 0);
            if (used + whole <= room)
            {
                _slices.Add(new(part, g, first, end - first));
                used += whole;
                continue;
            }

            // The group is larger than a part.
            if (first == end) Lost++;
            for (var (i, open) = (first, false); i < end; i++)
            {
                var item = _items[i] + 1;
                if (head + item > room)
                {
                    Lost++;
                    open = false;
                    continue;
                }

                if (used + item + (open ? 0 : head) > room) (part, used, open) = (part + 1, 0, false);
                if (!open)
                {
                    _slices.Add(new(part, g, i, 0));
                    used += head;
                    open = true;
                }

                _slices[^1] = _slices[^1] with { Items = _slices[^1].Items + 1 };
                used += item;
            }
        }

        Parts = _slices.Count == 0 ? 1 : _slices[^1].Part + 1;
    }
}
