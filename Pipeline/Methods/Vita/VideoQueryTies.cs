namespace Dvis.Streaming.Pipeline.Methods.Vita;

/// <summary>
/// Assignment of VITA's video queries to the slots of the tracker in front. A video query has no identity beyond its
/// window; the slots have. Buffers are reused; not thread-safe.
/// </summary>
/// <remarks>
/// Ours: VITA's paper ties clips by mask IoU. The trained similarity heads need no masks, and so no mask features of
/// frames that are final; their logit is above 0 for the same object.
/// </remarks>
public sealed class VideoQueryTies(int slots, int queries)
{
    /// <summary>Value of a slot without a video query.</summary>
    public const int None = -1;

    private readonly int _size = Math.Max(slots, queries);
    private readonly Assignment _assignment = new(Math.Max(slots, queries));
    private readonly float[] _cost = new float[Math.Max(slots, queries) * Math.Max(slots, queries)];
    private readonly int[] _columnOf = new int[Math.Max(slots, queries)];

    /// <summary>
    /// Ties slots to video queries, one to one, for the most similarity. Sure objects come first: a slot or a query
    /// that shows nothing may resemble anything.
    /// </summary>
    /// <param name="similarity">Logits that slot and video query are one object, shape [slots, queries].</param>
    /// <param name="slotObject">Shape [slots]: probability that the slot holds an object.</param>
    /// <param name="queryObject">Shape [queries]: probability that the video query holds an object.</param>
    /// <param name="queryOf">Shape [slots]: the video query of each slot, or <see cref="None"/>.</param>
    public void Solve(
        ReadOnlySpan<float> similarity, ReadOnlySpan<float> slotObject, ReadOnlySpan<float> queryObject,
        Span<int> queryOf)
    {
        for (var s = 0; s < slots; s++)
        {
            for (var v = 0; v < queries; v++)
            {
                var logit = similarity[s * queries + v];
                _cost[s * _size + v] = logit > 0 ? -slotObject[s] * queryObject[v] / (1 + MathF.Exp(-logit)) : 0;
            }
        }

        _assignment.Solve(_cost, _columnOf);
        for (var s = 0; s < slots; s++)
        {
            var v = _columnOf[s];
            queryOf[s] = v < queries && similarity[s * queries + v] > 0 ? v : None;
        }
    }
}
