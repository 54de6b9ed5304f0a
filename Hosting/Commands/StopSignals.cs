using System.Runtime.InteropServices;

namespace Dvis.Streaming.Hosting.Commands;

/// <summary>
/// SIGINT and SIGTERM as one request to stop, from the first moment to the last line. The host handles them only while
/// it runs; before and after, they would kill the process with their own exit code.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _asked = new();
    private readonly PosixSignalRegistration[] _registrations;

    public StopSignals() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Take),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take),
    ];

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Asked => _asked.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _asked.Dispose();
    }

    private void Take(PosixSignalContext context)
    {
        if (_asked.IsCancellationRequested) return; // the second one, where the host does not take it, ends the process
        context.Cancel = true;
        _asked.Cancel();
    }
}
