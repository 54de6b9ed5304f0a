using System.Runtime.InteropServices;

namespace Dvis.Streaming.Pipeline.Common;

/// <summary>
/// Writer of lines to standard output or standard error that neither waits nor fails: a thread of its own writes them.
/// Lines are lost, and counted, while the disk is full, after the reader has ended, and when too many wait for a reader
/// that does not read. Thread-safe.
/// </summary>
public sealed class LineOutput
{
    private const int Capacity = 4 << 20; // bytes that wait
    private const int GetFlags = 1, Interrupted = 4, Again = 11; // fcntl and errno of Linux

    private readonly object _gate = new(); // around the queue; Monitor waits for it
    private readonly Queue<byte[]> _lines = [];
    private readonly int _file;
    private long _bytes, _lost;
    private bool _torn; // of the thread: a line was written in part

    /// <param name="file">File descriptor, which stays the caller's.</param>
    public LineOutput(int file)
    {
        _file = file;
        new Thread(WriteLines) { IsBackground = true, Name = "output" }.Start();
    }

    public static LineOutput Out { get; } = Standard(1);

    /// <summary>The same as <see cref="Out"/> where both lead to one file, so that lines stay whole and in order.
    /// </summary>
    public static LineOutput Error { get; } = TargetOf(2) is { } file && file == TargetOf(1) ? Out : Standard(2);

    /// <summary>Lines lost so far.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Queues a line; it is lost when the queue is full.</summary>
    /// <param name="line">With its end of line; not changed afterwards.</param>
    /// <param name="durable">False: lost from half the capacity on, so that durable lines have room.</param>
    public void Post(byte[] line, bool durable = true)
    {
        lock (_gate)
        {
            if (_bytes > 0 && _bytes + line.Length > (durable ? Capacity : Capacity / 2))
            {
                Interlocked.Increment(ref _lost);
                return;
            }

            _lines.Enqueue(line);
            _bytes += line.Length;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until every queued line is written or lost, so that any line has room.</summary>
    public void AwaitRoom(CancellationToken cancel)
    {
        using var wake = cancel.UnsafeRegister(_ => { lock (_gate) Monitor.PulseAll(_gate); }, null);
        lock (_gate)
            while (_bytes > 0 && !cancel.IsCancellationRequested) Monitor.Wait(_gate);
    }

    /// <summary>Waits until every queued line is written or lost.</summary>
    /// <returns>False: the limit has passed first.</returns>
    public bool Flush(TimeSpan limit)
    {
        var end = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        lock (_gate)
        {
            while (_lines.Count > 0)
                if (Environment.TickCount64 is var now && now >= end || !Monitor.Wait(_gate, (int)(end - now))) break;
            return _lines.Count == 0;
        }
    }

    // A descriptor that was closed when the program started may since be a file or a socket of the runtime: those are
    // not inherited by child processes, standard streams are.
    private static LineOutput Standard(int file) => new(fcntl(file, GetFlags) == 0 ? file : -1);

    private static string? TargetOf(int file) => new FileInfo($"/proc/self/fd/{file}").LinkTarget;

    private void WriteLines()
    {
        while (true)
        {
            byte[] line;
            lock (_gate)
            {
                while (_lines.Count == 0) Monitor.Wait(_gate);
                line = _lines.Peek();
            }

            var written = Write(line);
            lock (_gate)
            {
                _lines.Dequeue();
                _bytes -= line.Length;
                if (!written) Interlocked.Increment(ref _lost);
                Monitor.PulseAll(_gate);
            }
        }
    }

    private bool Write(byte[] line)
    {
        // Half a line that a full disk left is ended first.
        if (_torn && WritePart("\n"u8.ToArray()) == 0) return false;
        var written = WritePart(line);
        _torn = written > 0 && written < line.Length;
        return written == line.Length;
    }

    /// <returns>Bytes written: fewer than there are when an error came first.</returns>
    private int WritePart(byte[] bytes)
    {
        var done = 0;
        while (done < bytes.Length)
        {
            var written = write(_file, ref bytes[done], bytes.Length - done);
            if (written > 0)
            {
                done += (int)written;
                continue;
            }

            var error = Marshal.GetLastPInvokeError();
            if (error == Again) lock (_gate) Monitor.Wait(_gate, 20); // a reader of a pipe that does not block
            else if (error != Interrupted) break;
        }

        return done;
    }

    [DllImport("libc", SetLastError = true)]
    private static extern nint write(int file, ref byte bytes, nint count);

    [DllImport("libc", SetLastError = true)]
    private static extern int fcntl(int file, int command);
}
