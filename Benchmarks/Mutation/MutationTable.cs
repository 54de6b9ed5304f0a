namespace Dvis.Streaming.Benchmarks.Mutation;

/// <summary>Table of faults in a document: the lines that begin with <c>| fault |</c> and what follows it.</summary>
/// <param name="path">Document, written with every row, so that an interrupted run loses none; null: none.</param>
/// <param name="list">All faults, in the order of the table.</param>
internal sealed class MutationTable(string? path, IReadOnlyList<Mutant> list)
{
    private static readonly string[] s_head = ["| fault | file | noticed by |", "|---|---|---|"];

    private readonly string[] _text = path is null ? []
        : [.. File.ReadLines(path).TakeWhile(line => line != s_head[0])];
    private readonly Dictionary<string, string> _rows = path is null ? []
        : File.ReadLines(path).SkipWhile(line => line != s_head[0]).Skip(s_head.Length)
            .ToDictionary(line => line.Split(' ')[1]);

    /// <returns>The row.</returns>
    public string Add(Mutant mutant, string result)
    {
        var row = _rows[mutant.Name] = $"| {mutant.Name} | {mutant.File} | {result} |";
        if (path is not null)
            File.WriteAllLines(path,
                [.. _text, .. s_head, .. list.Where(m => _rows.ContainsKey(m.Name)).Select(m => _rows[m.Name])]);
        return row;
    }
}
