using Dvis.Streaming.Pipeline.Methods.Vita;

namespace Dvis.Streaming.Pipeline.Tests.Methods.Vita;

public sealed class VideoQueryTiesTests
{
    private const int None = VideoQueryTies.None;

    [Fact]
    public void Solve_EachSlotResemblesOneQuery_TiesThem()
        => Assert.Equal([1, 0], Solve([-3, 4, 5, -2], [1, 1], [1, 1]));

    [Fact]
    public void Solve_NoLogitAboveZero_TiesNothing()
        => Assert.Equal([None, None], Solve([0, -1, -2, 0], [1, 1], [1, 1]));

    [Fact]
    public void Solve_TwoSlotsResembleOneQuery_TheSurerObjectGetsIt()
        => Assert.Equal([None, 0], Solve([4, -9, 4, -9], [0.2f, 0.9f], [1, 1]));

    [Fact]
    public void Solve_TwoQueriesResembleOneSlot_TheSlotTakesTheOneWithAnObject()
        => Assert.Equal([1, None], Solve([4, 4, -9, -9], [1, 1], [0.1f, 0.9f]));

    [Fact]
    public void Solve_GreedyWouldTieOne_TiesBoth()
        => Assert.Equal([1, 0], Solve([3, 2.5f, 2.5f, -9], [1, 1], [1, 1]));

    [Fact]
    public void Solve_MoreSlotsThanQueries_LeavesSlotsWithout()
    {
        var queryOf = new int[3];

        new VideoQueryTies(3, 1).Solve([-1, 2, 1], [1, 1, 1], [1], queryOf);

        Assert.Equal([None, 0, None], queryOf);
    }

    [Fact]
    public void Solve_FewerSlotsThanQueries_LeavesQueriesWithout()
    {
        var queryOf = new int[1];

        new VideoQueryTies(1, 3).Solve([1, 6, 2], [1], [1, 1, 1], queryOf);

        Assert.Equal([1], queryOf);
    }

    private static int[] Solve(float[] similarity, float[] slotObject, float[] queryObject)
    {
        var queryOf = new int[2];
        new VideoQueryTies(2, 2).Solve(similarity, slotObject, queryObject, queryOf);
        return queryOf;
    }
}
