using System.Runtime.InteropServices;

namespace Dvis.Streaming.Hosting.Service;

/// <summary>
/// SIGHUP: asks for the configuration to be read again.
/// But when the terminal that this was started from is gone, it means what it always meant: the end.
/// </summary>
internal sealed class HangUp : IDisposable
{
    private readonly PosixSignalRegistration _registration;
    private readonly bool _hadTerminal = isatty(0) == 1;

    public HangUp(Action asked) => _registration = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        if (_hadTerminal && isatty(0) == 0) return;
        signal.Cancel = true;
        asked();
    });

    public void Dispose() => _registration.Dispose();

    [DllImport("libc")]
    private static extern int isatty(int file);
}
