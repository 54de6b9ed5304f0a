using System.Diagnostics;
using System.Globalization;
using Dvis.Streaming.Pipeline.Tests.Hosting.Commands;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Faults;

/// <summary><c>dvis run</c> in a process of its own, which can be signalled and killed.</summary>
internal sealed class DaemonProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output, _errors;

    /// <param name="redirection">In a shell's words, such as <c>&gt;/dev/full</c>; empty: none.</param>
    public DaemonProcess(string config, string redirection, params string[] set)
    {
        _process = Tool.StartDvis(
            redirection, ["run", "-c", config, "--quiet", .. set.SelectMany(s => new[] { "--set", s })]);
        (_output, _errors) = (_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
    }

    public bool Running => !_process.HasExited;

    public int Id => _process.Id;

    /// <summary>Process ids of its ffmpeg children.</summary>
    public IReadOnlyList<int> Decoders => ChildrenOf(_process.Id);

    public static IReadOnlyList<int> ChildrenOf(int parent)
    {
        var children = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc")
            .Where(f => char.IsAsciiDigit(Path.GetFileName(f)[0])))
        {
            try
            {
                // pid (name) state ppid …; the name may hold spaces.
                var stat = File.ReadAllText(Path.Combine(folder, "stat"));
                var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                if (fields[0] != "Z" && fields[1] == parent.ToString(CultureInfo.InvariantCulture)
                    && stat.Contains("(ffmpeg)", StringComparison.Ordinal))
                    children.Add(int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture));
            }
            catch (IOException)
            {
                // It has ended meanwhile.
            }
        }

        return children;
    }

    public static bool Lives(int process)
    {
        try
        {
            var stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/stat"));
            return stat[stat.LastIndexOf(')') + 2] != 'Z';
        }
        catch (IOException)
        {
            return false;
        }
    }

    public Task SignalAsync(string signal) => SignalAsync(signal, _process.Id);

    public static Task SignalAsync(string signal, int process)
        => MosquittoBroker.RunAsync("sh", "-c",
            string.Create(CultureInfo.InvariantCulture, $"kill -{signal} {process}"));

    /// <summary>Asks it to end; gives its exit code and what it wrote.</summary>
    public async Task<(int Code, string Text)> EndAsync()
    {
        if (Running) await SignalAsync("TERM");
        return await ExitAsync();
    }

    public async Task<(int Code, string Text)> ExitAsync()
    {
        await _process.WaitForExitAsync();
        return (_process.ExitCode, await _output + await _errors);
    }

    public async ValueTask DisposeAsync()
    {
        if (Running) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await Task.WhenAll(_output, _errors);
        _process.Dispose();
    }
}
