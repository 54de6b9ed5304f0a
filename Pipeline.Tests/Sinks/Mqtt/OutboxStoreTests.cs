using System.Text;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Sinks.Mqtt.Messages;
using Dvis.Streaming.Sinks.Mqtt.Outbox.Store;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

/// <summary>What a killed process, a power cut or a bad disk leave in the folder,
/// and what the next run makes of it.</summary>
public sealed class OutboxStoreTests : IDisposable
{
    private static readonly MqttTopic Events =
        new("dvis/v1/ünö/events", "event", 1, ExpirySeconds: 86400, ContentType: MqttTopic.Json);

    private readonly ManualTime _time = new();
    private readonly TempFolder _folder = new();
    private readonly List<(string Reason, long Count)> _lost = [];
    private readonly List<StoreFault> _faults = [];

    private string Segment => Assert.Single(Directory.GetFiles(_folder.Root, "*.log"));

    [Fact]
    public void Read_NextRun_GivesEverythingBackAsItWas()
    {
        using (var store = Open())
        {
            var message = Message("payload", new("id", "ε-1"), new("empty", ""));
            Assert.Equal(1, store.TryAppend(message, read: false));
            Assert.Equal(2, store.TryAppend(Message(""), read: false));
        }

        using var next = Open();
        Assert.Equal(2, next.Unread);
        var (first, second) = (next.Read(out var own)!, next.Read(out _)!);
        Assert.False(own);
        Assert.Equal((Events.Name, "event", 86400u, MqttTopic.Json),
            (first.Topic.Name, first.Topic.Kind, first.Topic.ExpirySeconds, first.Topic.ContentType));
        Assert.Equal(("payload", Some.Now), (Text(first), first.Created));
        Assert.Equal([new("id", "ε-1"), new("empty", "")], first.UserProperties!);
        Assert.Equal((2, "", null), (second.Sequence, Text(second), second.UserProperties));
        Assert.Null(next.Read(out _));
        Assert.Empty(_lost);
    }

    [Fact]
    public void Release_All_LeavesNothingForTheNextRun()
    {
        using (var store = Open())
        {
            for (var i = 0; i < 10; i++) store.Release(store.TryAppend(Message($"{i}"), read: true)!.Value);
            Assert.Equal((0, 0), (store.Bytes, store.Unread));
        }

        Assert.Empty(Directory.GetFiles(_folder.Root, "*.log"));
        using var next = Open();
        Assert.Null(next.Read(out _));
        Assert.Equal(11, next.TryAppend(Message("next"), read: false));
    }

    [Fact]
    public void Release_OutOfOrder_TheNextRunBeginsAtTheOldest()
    {
        using (var store = Open())
        {
            for (var i = 1; i <= 5; i++) store.TryAppend(Message($"{i}"), read: true);
            store.Release(1);
            store.Release(2);
            store.Release(4);
        }

        using var next = Open();
        Assert.Equal(["3", "4", "5"], ReadAll(next));
    }

    [Fact]
    public void Dispose_Never_NothingWrittenIsLost()
    {
        // A killed process closes nothing: what was written must be in the file as it stands.
        using var killed = Open();
        for (var i = 0; i < 100; i++) killed.TryAppend(Message($"{i}"), read: false);
        using var copy = new TempFolder();
        foreach (var file in Directory.GetFiles(_folder.Root, "*.log"))
            File.Copy(file, copy.Path(Path.GetFileName(file)));
        using var next = Open(new DiskFolder(copy.Root));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"{i}"), ReadAll(next));
    }

    [Fact]
    public void Open_TornTail_IsCutOffAtEveryLength()
    {
        Fill("one", "two", "three");
        var whole = File.ReadAllBytes(Segment);
        var name = Segment;
        var last = RecordCodec.Size(Message("three"));
        for (var cut = 1; cut < last; cut++)
        {
            File.WriteAllBytes(name, whole[..^cut]);
            _lost.Clear();
            using (var store = Open()) Assert.Equal(["one", "two"], ReadAll(store));
            Assert.Equal([("torn", 1)], _lost);
            Assert.Equal(whole.Length - last, new FileInfo(name).Length);
        }
    }

    [Fact]
    public void Open_AnyByteFlipped_LosesOnlyThatMessage()
    {
        Fill("one", "two", "three", "four");
        var whole = File.ReadAllBytes(Segment);
        var name = Segment;
        var start = RecordCodec.Size(Message("one"));
        for (var at = start; at < start + RecordCodec.Size(Message("two")); at++)
        {
            var damaged = (byte[])whole.Clone();
            damaged[at] ^= 0x40;
            File.WriteAllBytes(name, damaged);
            _lost.Clear();
            using var store = Open();
            Assert.Equal(["one", "three", "four"], ReadAll(store));
            Assert.Equal([("corrupt", 1)], _lost);
        }
    }

    [Fact]
    public void Open_Garbage_IsNoError()
    {
        var random = new Random(5);
        for (var i = 0; i < 50; i++)
        {
            using var folder = new TempFolder();
            var bytes = new byte[random.Next(0, 5000)];
            random.NextBytes(bytes);
            // Many false beginnings, some with lengths that fit.
            for (var at = 0; at + 12 < bytes.Length; at += random.Next(12, 60))
            {
                "dvb1"u8.CopyTo(bytes.AsSpan(at));
                if (random.Next(2) == 0) BitConverter.TryWriteBytes(bytes.AsSpan(at + 8), random.Next(-10, 300));
            }

            File.WriteAllBytes(folder.Path("00000000000000000001.log"), bytes);
            File.WriteAllBytes(folder.Path("cursor"), bytes[..Math.Min(20, bytes.Length)]);
            File.WriteAllText(folder.Path("notes.txt"), "not ours");
            using var store = Open(new DiskFolder(folder.Root));
            Assert.Empty(ReadAll(store));
            Assert.NotNull(store.TryAppend(Message("goes on"), read: false));
            Assert.Equal(["goes on"], ReadAll(store));
            Assert.True(File.Exists(folder.Path("notes.txt")));
        }
    }

    [Fact]
    public void Open_CursorDamaged_SendsEverythingOnceMore()
    {
        using (var store = Open())
        {
            for (var i = 1; i <= 3; i++) store.TryAppend(Message($"{i}"), read: true);
            store.Release(1);
        }

        File.WriteAllBytes(_folder.Path("cursor"), new byte[16]);
        using var next = Open();
        Assert.Equal(["1", "2", "3"], ReadAll(next));
    }

    [Fact]
    public void Append_ManyMegabytes_RollsAndDeletesWhatIsDone()
    {
        using var store = Open();
        var payload = new string('x', 100_000);
        for (var i = 0; i < 100; i++)
        {
            Assert.NotNull(store.TryAppend(Message(payload), read: true));
            if (i >= 5) store.Release(i - 4);
            Assert.InRange(store.DiskBytes, 0, 3 * OutboxStore.SegmentBytes);
            Assert.Equal(store.DiskBytes, Directory.GetFiles(_folder.Root, "*.log").Sum(f => new FileInfo(f).Length));
        }
    }

    [Fact]
    public void Append_WhileReading_KeepsTheOrderAcrossFiles()
    {
        var random = new Random(3);
        var (written, seen) = (0, new List<string>());
        for (var run = 0; run < 20; run++)
        {
            using var store = Open();
            var reading = new Queue<long>();
            for (var i = 0; i < 60; i++)
            {
                var padding = new string(' ', random.Next(0, 60_000));
                if (random.Next(3) > 0) Assert.NotNull(store.TryAppend(Message($"{++written}{padding}"), read: false));
                if (random.Next(2) > 0 && store.Read(out _) is { } message)
                {
                    seen.Add(Text(message).TrimEnd());
                    reading.Enqueue(message.Sequence);
                }

                if (random.Next(3) > 0 && reading.TryDequeue(out var sequence)) store.Release(sequence);
            }

            // What was read and not released comes again.
            seen.RemoveRange(seen.Count - reading.Count, reading.Count);
        }

        using var last = Open();
        seen.AddRange(ReadAll(last).Select(t => t.TrimEnd()));
        Assert.Equal(Enumerable.Range(1, written).Select(i => $"{i}"), seen);
        Assert.Empty(_lost);
    }

    [Theory]
    [InlineData(28, "DiskFull"), InlineData(122, "DiskFull"), InlineData(30, "ReadOnly"), InlineData(5, "IoError")]
    public void Append_DiskFails_IsTyped_LeftAlone_AndRecovers(int errno, string fault)
    {
        var disk = new FailingFolder(_folder.Root);
        using (var store = Open(disk))
        {
            Assert.NotNull(store.TryAppend(Message("1"), read: false));
            disk.Errno = errno;
            Assert.Null(store.TryAppend(Message("2"), read: false));
            Assert.Equal([fault], _faults.Select(f => f.ToString()));
            Assert.False(store.Healthy);
            disk.Errno = 0;
            // Not asked again at once.
            Assert.Null(store.TryAppend(Message("3"), read: false));
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.NotNull(store.TryAppend(Message("4"), read: false));
            Assert.True(store.Healthy);
            Assert.Equal(["1", "4"], ReadAll(store));
        }

        using var next = Open();
        Assert.Equal(["1", "4"], ReadAll(next));
    }

    [Fact]
    public void Read_DiskGivesNothingBack_GoesOnWithWhatComes()
    {
        var disk = new FailingFolder(_folder.Root);
        using var store = Open(disk);
        store.TryAppend(Message("1"), read: false);
        store.TryAppend(Message("2"), read: false);
        disk.Unreadable = true;
        Assert.Null(store.Read(out _));
        Assert.Equal([("unreadable", 2)], _lost);
        Assert.Equal((0, 0), (store.Unread, store.Bytes));
        disk.Unreadable = false;
        store.TryAppend(Message("3"), read: false);
        Assert.Equal(["3"], ReadAll(store));
    }

    [Fact]
    public void Open_FolderInUse_IsOneSentence()
    {
        using var store = Open();
        var error = Assert.Throws<InvalidOperationException>(() => DiskFolder.Open(new() { Path = _folder.Root }));
        Assert.Equal($"mqtt.outbox.path: {_folder.Root} cannot be used: another process uses it", error.Message);
    }

    [Fact]
    public void Of_RealFullDevice_IsDiskFull()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "There is no /dev/full.");
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
        Assert.Equal(StoreFault.DiskFull, StoreFaults.Of(Assert.Throws<IOException>(() => full.Write("x"u8))));
    }

    public void Dispose() => _folder.Dispose();

    private OutboxStore Open(IStoreFolder? folder = null)
        => new(folder ?? new DiskFolder(_folder.Root), _time, (fault, _) => _faults.Add(fault), (reason, count) =>
            _lost.Add((reason, count)));

    private void Fill(params string[] texts)
    {
        using var store = Open();
        foreach (var text in texts) store.TryAppend(Message(text), read: false);
    }

    private OutboxEntry Message(string text, params KeyValuePair<string, string>[] properties) =>
        new(Events, Encoding.UTF8.GetBytes(text), properties, Some.Now, _time.GetTimestamp());

    private static List<string> ReadAll(OutboxStore store)
    {
        var all = new List<string>();
        while (store.Read(out _) is { } message) all.Add(Text(message));
        return all;
    }

    private static string Text(OutboxEntry message) => Encoding.UTF8.GetString(message.Payload);
}
