namespace Dvis.Streaming.Pipeline.Tests.Support.Fakes;

/// <summary>Counts how many of its kind are alive; disposing one twice is an error of the code under test.</summary>
internal sealed class CountedItem(int number, CountedItem.Ledger ledger) : IDisposable
{
    private int _disposed;

    public int Number { get; } = number;

    public bool IsDisposed => _disposed != 0;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            throw new InvalidOperationException($"Item {Number} was disposed twice.");
        Interlocked.Decrement(ref ledger.Alive);
    }

    internal sealed class Ledger
    {
        public int Alive;

        public CountedItem New(int number)
        {
            Interlocked.Increment(ref Alive);
            return new CountedItem(number, this);
        }
    }
}
