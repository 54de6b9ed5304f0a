using Dvis.Streaming.Hosting.Http;
using Dvis.Streaming.Hosting.Page.Live;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Dvis.Streaming.Hosting.Page;

/// <summary>Response of one viewer, written until the client leaves, the service stops, or the client does not read for
/// <see cref="s_patience"/>.</summary>
internal sealed class LongResponse : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly HttpContext _context;
    private readonly LiveView _view;
    private readonly LiveViewer _viewer;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _end;
    private readonly AckWatch _acks;

    private LongResponse(
        HttpContext context, LiveView view, LiveViewer viewer, IHostApplicationLifetime lifetime, TimeProvider time)
    {
        (_context, _view, _viewer, _time, _acks) = (context, view, viewer, time, new(context, time));
        _end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
    }

    /// <summary>Cancelled when the client has left or the service stops.</summary>
    public CancellationToken End => _end.Token;

    /// <summary>Null: there are too many viewers, and the client was told.</summary>
    public static async Task<LongResponse?> BeginAsync(
        HttpContext context, LiveView view, LiveViewer viewer, IHostApplicationLifetime lifetime, TimeProvider time)
    {
        if (view.TryAdd(viewer)) return new(context, view, viewer, lifetime, time);
        await Refusal.TooManyViewersAsync(context);
        return null;
    }

    /// <summary>Sends the headers of a response without an end.</summary>
    /// <returns>False: the client has left.</returns>
    public Task<bool> StartAsync(string contentType)
    {
        // Beside the limit of connections: it would be the oldest, and the first to be closed for another.
        _context.Features.Get<ConnectionPlace>()?.Leave();
        _context.Response.Headers.Connection = "close";
        _context.Response.ContentType = contentType;
        return WriteAsync(default);
    }

    /// <summary>Writes and flushes.</summary>
    /// <returns>False: the client does not read, and was disconnected.</returns>
    public async Task<bool> WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        using var limit = new CancellationTokenSource(s_patience, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _context.RequestAborted);
        try
        {
            await _context.Response.Body.WriteAsync(bytes, both.Token);
            await _context.Response.Body.FlushAsync(both.Token);
            if (_acks.Stalled() < s_patience) return true;
        }
        catch (OperationCanceledException) when (both.IsCancellationRequested)
        {
            // Its buffers and ours are full, or it has left.
        }

        _context.Abort();
        return false;
    }

    public void Dispose()
    {
        _view.Remove(_viewer);
        _end.Dispose();
    }
}
