using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>Broker outage: what waits on disk, in which order it goes, and what happens at the limits.</summary>
public sealed class OutboxDiskTests : IDisposable
{
    private static readonly MqttTopic Final = new("final", "final", 1), State = new("a", "state", 1, Retain: true);
    private readonly ManualTime _time = new();
    private readonly TempFolder _folder = new();
    private readonly List<(string Text, string Reason)> _dropped = [];
    private readonly FailingFolder _disk;

    public OutboxDiskTests() => _disk = new(_folder.Root);

    [Fact]
    public void Restart_WhatWaited_GoesFirstAndIsLate()
    {
        using (var outbox = Open(_disk))
        {
            Add(outbox, 1, 5);
            outbox.Connected();
            Add(outbox, 6, 6);
            Acknowledge(outbox, 2);
            outbox.Take();
        }

        using var next = Open(new DiskFolder(_folder.Root));
        Add(next, 7, 8);
        next.Connected();
        Add(next, 9, 9);
        var all = TakeAll(next);
        Assert.Equal(Texts(3, 9), all.Select(Text));
        Assert.Equal(Enumerable.Range(3, 7).Select(i => i < 9), all.Select(e => e.Late));
    }

    [Fact]
    public void LongOutage_MoreThanTheWindow_IsOnDiskOnlyAndInOrder()
    {
        using var outbox = Open(_disk);
        Add(outbox, 1, 3000);
        Assert.Equal(3000, outbox.Count);
        Assert.Equal(3000 - 512, outbox.Store!.Unread);
        outbox.Connected();
        // State overtakes what is still on disk, and new finals do not.
        var seen = new List<string>();
        for (var i = 3001; i <= 3100; i++)
        {
            if (i == 3050) outbox.Add(State, "s"u8.ToArray());
            Add(outbox, i, i);
            for (var j = 0; j < 20; j++) seen.Add(Acknowledge(outbox));
        }

        while (outbox.Count > 0) seen.Add(Acknowledge(outbox));
        Assert.Equal(Texts(1, 3100), seen.Where(t => t != "s"));
        Assert.InRange(seen.IndexOf("s"), 0, 3099);
        Assert.Equal(0, outbox.Bytes);
    }

    [Fact]
    public void MaxBytes_Reached_DropsOldestAndCounts()
    {
        using var outbox = Open(_disk, maxBytes: 1 << 20);
        var padding = new string('x', 10_000);
        for (var i = 1; i <= 1000; i++) outbox.Add(Final, Encoding.ASCII.GetBytes($"{i} {padding}"));
        Assert.InRange(outbox.Store!.Bytes, (1 << 20) - 11_000, 1 << 20);
        Assert.InRange(outbox.Store.DiskBytes, 0, (1 << 20) + (2 * OutboxStore.SegmentBytes));
        Assert.All(_dropped, d => Assert.Equal("max_bytes", d.Reason));
        outbox.Connected();
        var left = TakeAll(outbox)
            .Select(e => int.Parse(Text(e).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(Enumerable.Range(_dropped.Count + 1, 1000 - _dropped.Count), left);
        Assert.Equal(Enumerable.Range(1, _dropped.Count),
            _dropped.Select(d => int.Parse(d.Text.Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture)));
    }

    [Fact]
    public void MaxBytes_WhatIsAcknowledgedAndKept_GoesBeforeWhatIsNot()
    {
        using var outbox = Open(_disk, maxBytes: 65536);
        outbox.Connected();
        var payload = new byte[1000];
        for (var i = 0; i < 500; i++)
        {
            outbox.Add(Final, payload);
            outbox.Complete(outbox.Take()!.Token, accepted: true);
        }

        Assert.Empty(_dropped);
        Assert.InRange(outbox.Store!.Bytes, 1, 65536);
    }

    [Fact]
    public void MaxAge_OfAnEarlierRun_CountsByTheWallClock()
    {
        using (var outbox = Open(_disk))
        {
            Add(outbox, 1, 1);
            _time.Advance(TimeSpan.FromHours(23));
            Add(outbox, 2, 2);
        }

        _time.Advance(TimeSpan.FromHours(2));
        using var next = Open(new DiskFolder(_folder.Root));
        next.Tick();
        Assert.Equal([("1", "max_age")], _dropped);
        next.Connected();
        Assert.Equal(["2"], TakeAll(next).Select(Text));
    }

    [Fact]
    public void Kept_AcknowledgedJustBeforeTheKill_ComesOnceMore()
    {
        // The process is killed: nothing is disposed of, the cursor was saved at the last tick.
        using var killed = Open(_disk);
        killed.Connected();
        Add(killed, 1, 3);
        Acknowledge(killed, 2);
        _time.Advance(TimeSpan.FromSeconds(1));
        killed.Tick();
        using var copy = new TempFolder();
        foreach (var file in Directory.GetFiles(_folder.Root).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
            File.Copy(file, copy.Path(Path.GetFileName(file)));
        using (var next = Open(new DiskFolder(copy.Root))) Assert.Equal(3, next.Count);

        // Later they are trusted.
        _time.Advance(TimeSpan.FromSeconds(5));
        killed.Tick();
        foreach (var file in Directory.GetFiles(_folder.Root).Where(f => !f.EndsWith("lock", StringComparison.Ordinal)))
            File.Copy(file, copy.Path(Path.GetFileName(file)), overwrite: true);
        using var later = Open(new DiskFolder(copy.Root));
        Assert.Equal(1, later.Count);
    }

    [Fact]
    public void DiskFull_FallsBackToMemory_KeepsTheOrder_AndRecovers()
    {
        using (var outbox = Open(_disk))
        {
            Add(outbox, 1, 600);
            _disk.Errno = 28;
            Add(outbox, 601, 650);
            Assert.False(outbox.Store!.Healthy);
            _disk.Errno = 0;
            _time.Advance(TimeSpan.FromSeconds(1));
            outbox.Tick();
            Assert.True(outbox.Store.Healthy);
            Add(outbox, 651, 700);
            Assert.Equal(700, outbox.Count);
        }

        // All of it is on disk again.
        using var next = Open(new DiskFolder(_folder.Root));
        next.Connected();
        Assert.Equal(Texts(1, 700), TakeAll(next).Select(Text));
        Assert.Empty(_dropped);
    }

    [Fact]
    public void DiskFull_ForLong_MemoryIsBoundedAndDropsAreCounted()
    {
        using var outbox = Open(_disk, memoryMessages: 100);
        Add(outbox, 1, 600);
        _disk.Errno = 28;
        Add(outbox, 601, 800);
        Assert.Equal(Texts(601, 700), _dropped.Select(d => d.Text));
        Assert.All(_dropped, d => Assert.Equal("memory_full", d.Reason));
        outbox.Connected();
        Assert.Equal(Texts(1, 600).Concat(Texts(701, 800)), TakeAll(outbox).Select(Text));
    }

    [Fact]
    public void RandomLife_ConnectionsDisksAndRunsThatBreak_EveryMessageArrivesInOrder()
    {
        var random = new Random(11);
        for (var life = 0; life < 10; life++)
        {
            using var folder = new TempFolder();
            var (written, delivered, connected) = (0, new List<int>(), false);
            var disk = new FailingFolder(folder.Root);
            var outbox = Open(disk);
            for (var i = 0; i < 1000; i++)
            {
                switch (random.Next(40))
                {
                    case 0:
                        // A stop that is orderly and has no time left: the disk must take what is only in memory.
                        disk.Errno = 0;
                        _time.Advance(TimeSpan.FromSeconds(2));
                        outbox.Dispose();
                        (outbox, connected) = (Open(disk = new(folder.Root)), false);
                        break;
                    case 1:
                        disk.Errno = disk.Errno == 0 ? 28 : 0;
                        break;
                    case 2 when connected:
                        outbox.Disconnected(lost: random.Next(2) == 0);
                        connected = false;
                        break;
                    case 3 when !connected:
                        outbox.Connected();
                        connected = true;
                        break;
                    case < 6:
                        _time.Advance(TimeSpan.FromSeconds(random.Next(1, 4)));
                        outbox.Tick();
                        break;
                    case < 20:
                        Add(outbox, written + 1, written += random.Next(1, 40));
                        break;
                    case var _ when connected && outbox.InFlight < 8 && outbox.Take() is { } entry:
                        // What is handed over arrives, acknowledged or not.
                        delivered.Add(int.Parse(Text(entry), System.Globalization.CultureInfo.InvariantCulture));
                        if (random.Next(10) > 0) Assert.NotNull(outbox.Complete(entry.Token, accepted: true));
                        break;
                }
            }

            if (!connected) outbox.Connected();
            while (outbox.Take() is { } entry)
            {
                delivered.Add(int.Parse(Text(entry), System.Globalization.CultureInfo.InvariantCulture));
                outbox.Complete(entry.Token, accepted: true);
            }

            // Repeats are allowed; what is new must follow what was newest.
            var highest = 0;
            foreach (var number in delivered)
            {
                Assert.True(number <= highest + 1, $"life {life}: {number} after {highest}");
                highest = Math.Max(highest, number);
            }

            Assert.Equal(written, highest);
            outbox.Dispose();
        }

        Assert.Empty(_dropped);
    }

    [Fact]
    public void RealFullDisk_KeepsRunning_AndRecoversWhenThereIsRoom()
    {
        using var small = SmallDisk.Mount(256 << 10);
        using var outbox = Open(new DiskFolder(small.Path("outbox")));
        var padding = new string('x', 2000);
        for (var i = 1; i <= 300; i++) outbox.Add(Final, Encoding.ASCII.GetBytes($"{i} {padding}"));
        Assert.False(outbox.Store!.Healthy);
        Assert.Equal(300, outbox.Count);
        outbox.Connected();
        var seen = new List<string>();
        while (outbox.Take() is { } entry)
        {
            seen.Add(Text(entry).Split(' ')[0]);
            outbox.Complete(entry.Token, accepted: true);
        }

        Assert.Equal(Texts(1, 300), seen);
        // What is acknowledged and no longer kept makes room.
        _time.Advance(TimeSpan.FromSeconds(6));
        outbox.Tick();
        outbox.Add(Final, "again"u8.ToArray());
        Assert.True(outbox.Store.Healthy);
    }

    public void Dispose() => _folder.Dispose();

    private OutboxQueue Open(IStoreFolder folder, long maxBytes = 256 << 20, int memoryMessages = 10_000)
        => new(new() { MaxBytes = maxBytes, MemoryMessages = memoryMessages }, _time, new(folder, _time, (_, _) => { },
            (reason, count) => Assert.Equal("torn", reason)), (entry, reason) => _dropped.Add((Text(entry), reason)));

    private static void Add(OutboxQueue outbox, int from, int to)
    {
        foreach (var text in Texts(from, to)) outbox.Add(Final, Encoding.ASCII.GetBytes(text));
    }

    private static string Acknowledge(OutboxQueue outbox, int count = 1)
    {
        var last = "";
        for (var i = 0; i < count; i++)
        {
            var entry = outbox.Take()!;
            last = Text(entry);
            outbox.Complete(entry.Token, accepted: true);
        }

        return last;
    }

    private static List<OutboxEntry> TakeAll(OutboxQueue outbox)
    {
        var all = new List<OutboxEntry>();
        while (outbox.Take() is { } entry) all.Add(entry);
        return all;
    }

    private static string Text(OutboxEntry entry) => Encoding.ASCII.GetString(entry.Payload);

    private static IEnumerable<string> Texts(int from, int to) =>
        Enumerable.Range(from, to - from + 1).Select(i => $"{i}");
}
