using System.Runtime.InteropServices;

namespace Dvis.Streaming.Sinks.Payloads;

/// <summary>
/// Decides which records go into which part of a message. A group (a track) has a head that every part with some of it
/// repeats, and items (its frames) that are never cut; a group goes whole into one part unless it is larger than a
/// part. Reused; one thread.
/// </summary>
internal sealed class PartPlan
{
    /// <summary>More parts than any message has; for measuring.</summary>
    public const int MaxParts = 99_999;

    private readonly List<(int Head, int FirstItem)> _groups = [];
    private readonly List<int> _items = [];
    private readonly List<Slice> _slices = [];

    /// <summary>Some items of a group in one part.</summary>
    public readonly record struct Slice(int Part, int Group, int FirstItem, int Items);

    /// <summary>In order; valid until the plan is made anew.</summary>
    public ReadOnlySpan<Slice> Slices => CollectionsMarshal.AsSpan(_slices);

    /// <summary>At least 1: a message about nothing is a message.</summary>
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

    /// <summary>An item of the group added last.</summary>
    public void AddItem(int bytes) => _items.Add(bytes);

    /// <param name="room">Bytes a part has for groups and the commas between them.</param>
    public void Make(int room)
    {
        var (part, used) = (0, 0);
        for (var g = 0; g < _groups.Count; g++)
        {
            var (head, first) = _groups[g];
            var end = g + 1 < _groups.Count ? _groups[g + 1].FirstItem : _items.Count;
            var whole = head + 1;
            for (var i = first; i < end; i++) whole += _items[i] + 1;
            if (used + whole > room && whole <= room) (part, used) = (part + 1, 0);
            if (used + whole <= room)
            {
                _slices.Add(new(part, g, 0, end - first));
                used += whole;
            }
            else
            {
                (part, used) = Split(room, g, first, end, part, used);
            }
        }

        Parts = _slices.Count == 0 ? 1 : _slices[^1].Part + 1;
    }

    private (int Part, int Used) Split(int room, int group, int first, int end, int part, int used)
    {
        var head = _groups[group].Head + 1;
        var open = false;
        for (var i = first; i < end; i++)
        {
            var item = _items[i] + 1;
            if (head + item > room)
            {
                Lost++;
                open = false;
                continue;
            }

            if (used + item + (open ? 0 : head) > room) (part, used, open) = (part + 1, 0, false);
            if (open)
            {
                _slices[^1] = _slices[^1] with { Items = _slices[^1].Items + 1 };
            }
            else
            {
                _slices.Add(new(part, group, i - first, 1));
                used += head;
            }

            open = true;
            used += item;
        }

        if (first == end) Lost++;
        return (part, used);
    }
}
