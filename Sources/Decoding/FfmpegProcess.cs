using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Frames;

namespace Dvis.Streaming.Sources.Decoding;

/// <summary>
/// Child process ffmpeg: started without a shell, its output on a pipe, its messages in a <see cref="FfmpegLog"/>.
/// Disposing kills and reaps it. A thread of its own starts it, reads its messages and waits for its end; the kernel
/// kills the child when that thread ends, so that no child outlives this process.
/// </summary>
internal sealed class FfmpegProcess : IAsyncDisposable
{
    private const int LongestLine = 2000;
    private const string Setpriv = "/usr/bin/setpriv";
    private static readonly TimeSpan s_reapTimeout = TimeSpan.FromSeconds(5);

    private readonly Process _process;
    private readonly FfmpegLog _log;
    private readonly TimeProvider _time;
    private readonly string _input;
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FfmpegProcess(ProcessStartInfo start, FfmpegLog log, TimeProvider time, string input)
        => (_process, _log, _time, _input) = (new Process { StartInfo = start }, log, time, input);

    /// <summary>Output to <c>pipe:1</c>.</summary>
    public Stream Output => _process.StandardOutput.BaseStream;

    public int Id => _process.Id;

    /// <summary>Exit code, with all messages in the log; 128 + signal when it was killed.</summary>
    public Task<int> Exited => _exited.Task;

    /// <summary>Path of the program.</summary>
    /// <exception cref="SourceException">The program is missing.</exception>
    public static string Require(string program) =>
        Find(program) ?? throw new SourceException(SourceFault.Config, $"The decoder '{program}' was not found.");

    /// <param name="input">Text for <c>pipe:0</c>.</param>
    /// <exception cref="SourceException">The program is missing or cannot be started.</exception>
    public static async Task<FfmpegProcess> StartAsync(string program, IEnumerable<string> arguments, FfmpegLog log,
        string name, TimeProvider time, string input = "")
    {
        var start = new ProcessStartInfo
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        start.FileName = Require(program);
        if (File.Exists(Setpriv))
        {
            foreach (var word in new[] { "--pdeathsig", "KILL", "--", start.FileName }) start.ArgumentList.Add(word);
            start.FileName = Setpriv;
        }

        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["LC_ALL"] = "C"; // messages are read by FfmpegLog
        start.Environment["AV_LOG_FORCE_NOCOLOR"] = "1";

        var child = new FfmpegProcess(start, log, time, input);
        new Thread(child.Run) { IsBackground = true, Name = name }.Start();
        await child._started.Task;
        return child;
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // The child has ended.
        }

        try
        {
            await Exited.WaitAsync(s_reapTimeout, _time);
        }
        catch (TimeoutException)
        {
            // Killed but stuck in the kernel (a dead network drive): its thread reaps it later.
            return;
        }

        // Process does not close pipes that were read from; the garbage collector would, much later.
        Output.Dispose();
        _process.StandardError.Dispose();
        _process.Dispose();
    }

    private void Run()
    {
        try
        {
            _process.Start();
            _process.StandardInput.Write(_input); // shorter than the pipe: this does not wait
            _process.StandardInput.Close();
            Enlarge(Output);
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or IOException)
        {
            _exited.SetResult(-1);
            _started.SetException(
                new SourceException(SourceFault.Config, $"The decoder could not be started: {e.Message}", e));
            return;
        }

        _started.SetResult();
        ReadMessages(_process.StandardError);
        _process.WaitForExit();
        _exited.SetResult(_process.ExitCode);
    }

    private void ReadMessages(StreamReader messages)
    {
        var buffer = new char[1024];
        var line = new char[LongestLine];
        var length = 0;
        while (messages.Read(buffer) is > 0 and var read)
        {
            foreach (var c in buffer.AsSpan(0, read))
            {
                if (c is not ('\n' or '\r'))
                {
                    if (length < LongestLine) line[length++] = c;
                    continue;
                }

                if (length > 0) _log.Add(new string(line, 0, length));
                length = 0;
            }
        }
    }

    private static string? Find(string program)
    {
        if (program.Contains('/', StringComparison.Ordinal))
            return File.Exists(program) ? Path.GetFullPath(program) : null;
        return (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    // The usual 64 KiB are a hundredth of a frame: a larger pipe saves most wake-ups. A refusal does not matter.
    private static void Enlarge(Stream output)
    {
        const int F_SETPIPE_SZ = 1031;
        if (OperatingSystem.IsLinux() && output is PipeStream pipe)
            _ = fcntl(pipe.SafePipeHandle, F_SETPIPE_SZ, 1 << 20);
    }

    [DllImport("libc")]
    private static extern int fcntl(SafeHandle file, int command, int argument);
}
