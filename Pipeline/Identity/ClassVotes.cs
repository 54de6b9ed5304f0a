using System.Collections.Immutable;

namespace Dvis.Streaming.Pipeline.Identity;

/// <summary>
/// Class of a track by majority: each frame votes for the class that it shows, with its score. Sums count as whole
/// votes, rounded up, and another class takes over only with more of them, so that the class does not alternate
/// between two of about the same sum, and never has fewer votes than another. Not thread-safe.
/// </summary>
public sealed class ClassVotes
{
    private readonly Dictionary<int, double> _sums = [];

    /// <summary>-1 before the first vote.</summary>
    public int ClassId { get; private set; } = -1;

    /// <summary>Class and votes, most first; of equal ones <see cref="ClassId"/> first.</summary>
    public ImmutableArray<KeyValuePair<int, int>> Ranked =>
    [
        .. _sums.Keys.Select(id => KeyValuePair.Create(id, Votes(id)))
            .OrderByDescending(v => v.Value).ThenByDescending(v => v.Key == ClassId).ThenBy(v => v.Key),
    ];

    /// <param name="score">Weight of the vote, 0 … 1.</param>
    /// <param name="holds">False: the largest sum has the class at once.</param>
    public void Add(int classId, float score, bool holds = true)
    {
        _sums[classId] = _sums.GetValueOrDefault(classId) + score;
        if (ClassId < 0 || Votes(classId) > Votes(ClassId) || (!holds && _sums[classId] > _sums[ClassId]))
            ClassId = classId;
    }

    private int Votes(int classId) => (int)Math.Ceiling(_sums[classId]);
}
