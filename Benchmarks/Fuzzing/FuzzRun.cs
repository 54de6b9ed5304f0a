using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary>
/// Feeds a target with changed inputs and holds each to its bounds: time of its thread, managed memory, resident memory
/// of the process, and declared exceptions only. What an input does that none did before makes it a new seed. The n-th
/// input of a seed is always the same.
/// </summary>
internal sealed partial class FuzzRun(FuzzTarget target, int seed)
{
    private const int MostSeeds = 1000, MostFindings = 20;
    private const long MostResident = 1L << 30;

    /// <summary>A reader that has not come back by then never will;
    /// only a machine that stands still could be meant otherwise.</summary>
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly List<byte[]> _seeds = [.. FuzzCorpus.Of(target.Name)];
    private readonly HashSet<string> _ways = [];
    private readonly List<FuzzFinding> _findings = [];
    private readonly long _resident = Environment.WorkingSet;
    private long _inputs, _rejected;
    private volatile byte[] _current = [];
    private volatile bool _over;

    /// <summary>Until so many inputs were read or so much time has passed.</summary>
    public FuzzReport Run(long inputs, TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        // Of its own, so that one that hangs can be left behind. As deep as a thread of the pool.
        var thread = new Thread(() =>
        {
            foreach (var input in _seeds.ToArray()) One(input);
            while (_inputs < inputs && clock.Elapsed < time && _findings.Count < MostFindings) One(Next());
            _over = true;
        })
        { IsBackground = true, Name = "fuzz" };
        thread.Start();
        var (last, since) = (-1L, clock.Elapsed);
        while (!thread.Join(TimeSpan.FromMilliseconds(200)) && !_over)
        {
            var now = Interlocked.Read(ref _inputs);
            if (now != last) (last, since) = (now, clock.Elapsed);
            else if (clock.Elapsed - since > Hang)
                return Report([new FuzzFinding("hang", $"no answer for {Hang.TotalSeconds:0} s", _current)]);
        }

        thread.Join();
        return Report([]);
    }

    /// <summary>Reads one input; adds to the findings.</summary>
    public FuzzReport One(byte[] input)
    {
        _current = input;
        var (allocated, began) = (GC.GetAllocatedBytesForCurrentThread(), ThreadTime());
        var way = "";
        try
        {
            way = target.Read(input);
        }
        catch (Exception e) when (target.Declared.Any(d => d.IsInstanceOfType(e)))
        {
            _rejected++;
            way = $"{e.GetType().Name} {Changing().Replace(e.Message, "#")}";
        }
        catch (Exception e) // whatever it is, it was not to come out
        {
            Find($"{e.GetType().Name} {Place(e)}", e.ToString(), input);
        }

        var (took, bytes) = (ThreadTime() - began, GC.GetAllocatedBytesForCurrentThread() - allocated);
        if (took > target.Time) Find("time", $"{took.TotalSeconds:0.0} s of processor time", input);
        if (bytes > target.Allowance + target.AllowancePerByte * input.Length)
            Find("memory", $"{bytes >> 20} MiB for {input.Length} bytes", input);
        if ((_inputs & 0xff) == 0 && Environment.WorkingSet - _resident > MostResident)
            Find("resident memory", $"{Environment.WorkingSet >> 20} MiB", input);
        if (_ways.Count < MostSeeds && _ways.Add(way.Length > 200 ? way[..200] : way)) _seeds.Add(input);
        Interlocked.Increment(ref _inputs);
        return Report([]);
    }

    private byte[] Next()
    {
        var random = new Random(unchecked(seed * 1_000_003 + (int)_inputs));
        var input = new Mutator(random, target.Tokens).Change(_seeds);
        return target.Repair is { } repair && random.Next(8) > 0 ? repair(input) : input;
    }

    private void Find(string where, string detail, byte[] input)
    {
        if (!_findings.Exists(f => f.Where == where)) _findings.Add(new FuzzFinding(where, detail, input));
    }

    private FuzzReport Report(FuzzFinding[] more) =>
        new(Interlocked.Read(ref _inputs), _rejected, _ways.Count, [.. _findings, .. more]);

    /// <summary>The innermost method of ours, or of whom we called.</summary>
    private static string Place(Exception e)
        => new StackTrace(e).GetFrames().Select(f => f.GetMethod()).FirstOrDefault(m =>
            m?.DeclaringType?.Namespace?.StartsWith("Dvis", StringComparison.Ordinal) == true) is { } method
            ? $"{method.DeclaringType!.Name}.{method.Name}"
            : "";

    private static TimeSpan ThreadTime()
    {
        const int clock = 3; // CLOCK_THREAD_CPUTIME_ID: other work on the machine does not count
        return GetTime(clock, out var time) == 0
            ? TimeSpan.FromSeconds(time.Seconds) + TimeSpan.FromMicroseconds(time.Nanoseconds / 1000.0)
            : default;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int GetTime(int clock, out Time time);

    // Numbers, and what is quoted from the input.
    [GeneratedRegex(@"'[^']*'|[0-9]+|/\S*/[^:\s]*", RegexOptions.CultureInvariant)]
    private static partial Regex Changing();

    private struct Time
    {
        public long Seconds, Nanoseconds;
    }
}
