using Microsoft.AspNetCore.Connections;

namespace Dvis.Streaming.Hosting.Http;

/// <summary>
/// Limit of open connections: one more closes the oldest, which has had the most time for its request. Refusing the
/// new one instead, as the server's own limit does, lets connections that ask nothing keep health checks out.
/// </summary>
internal sealed class ConnectionLimit(int most)
{
    private readonly LinkedList<ConnectionContext> _open = [];   // oldest first; locked

    public ConnectionDelegate Use(ConnectionDelegate next) => async connection =>
    {
        var own = Add(connection, out var oldest);
        connection.Features.Set(new ConnectionPlace(() => Remove(own)));
        oldest?.Abort(new ConnectionAbortedException("Newer connections have taken its place."));
        try
        {
            await next(connection);
        }
        finally
        {
            Remove(own);
        }
    };

    private void Remove(LinkedListNode<ConnectionContext> own)
    {
        lock (_open)
        {
            if (own.List is not null) _open.Remove(own);
        }
    }

    private LinkedListNode<ConnectionContext> Add(ConnectionContext connection, out ConnectionContext? oldest)
    {
        lock (_open)
        {
            oldest = _open.Count < most ? null : _open.First!.Value;
            if (oldest is not null) _open.RemoveFirst();
            return _open.AddLast(connection);
        }
    }
}

/// <summary>Place of a connection in the limit.</summary>
/// <param name="leave">Frees it.</param>
internal sealed class ConnectionPlace(Action leave)
{
    /// <summary>Takes the connection out of the limit, for a response without an end whose number is limited by itself.
    /// </summary>
    public void Leave() => leave();
}
