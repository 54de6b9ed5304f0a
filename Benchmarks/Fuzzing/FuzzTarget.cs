namespace Dvis.Streaming.Benchmarks.Fuzzing;

/// <summary>Reader of untrusted input, and its bounds.</summary>
/// <param name="Name">Also the folder of its corpus and of what once broke it.</param>
/// <param name="Read">Reads one input; throws what is declared, or whatever it must never throw. May check that what
/// came out makes sense. Says in a word what it was: an input with another word than all before is worth changing
/// further.</param>
/// <param name="Declared">The only exceptions a caller has to expect.</param>
/// <param name="Tokens">Words of the format that blind changes would not find.</param>
internal sealed record FuzzTarget(string Name, Func<byte[], string> Read, Type[] Declared, string[] Tokens)
{
    /// <summary>One whose results are all alike.</summary>
    public FuzzTarget(string name, Action<byte[]> read, Type[] declared, string[] tokens)
        : this(name, input =>
        {
            read(input);
            return "read";
        }, declared, tokens)
    {
    }

    /// <summary>Makes checksums right again, so that changes reach what lies behind them;
    /// null where there are none.</summary>
    public Func<byte[], byte[]>? Repair { get; init; }

    /// <summary>Managed bytes that an input may cost, however short it is.</summary>
    public long Allowance { get; init; } = 16L << 20;

    /// <summary>Managed bytes that each byte of input may cost besides.</summary>
    public long AllowancePerByte { get; init; } = 4096;

    /// <summary>Processor time that an input may take.</summary>
    public TimeSpan Time { get; init; } = TimeSpan.FromSeconds(2);

    public override string ToString() => Name;
}

/// <summary>An input that broke a promise.</summary>
/// <param name="Where">Kind and place, the same for all inputs that break it in the same way.</param>
internal sealed record FuzzFinding(string Where, string Detail, byte[] Input);

/// <param name="Rejected">Inputs that were refused with a declared exception.</param>
/// <param name="Ways">Different outcomes: results, and sentences of refusal without their numbers.</param>
internal sealed record FuzzReport(long Inputs, long Rejected, int Ways, IReadOnlyList<FuzzFinding> Findings);
