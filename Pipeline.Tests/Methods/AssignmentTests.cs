using Dvis.Streaming.Pipeline.Methods;

namespace Dvis.Streaming.Pipeline.Tests.Methods;

public sealed class AssignmentTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Solve_SmallRandom_CostsAsLittleAsTheBestPermutation(bool ties)
    {
        var random = new Random(1);
        for (var trial = 0; trial < 600; trial++)
        {
            var n = 1 + trial % 7;
            var cost = new float[n * n];
            for (var i = 0; i < cost.Length; i++)
                cost[i] = random.Next(12) == 0 ? float.NaN : ties ? random.Next(-2, 3) : random.NextSingle() * 4 - 2;

            var columnOf = Solve(cost, n);

            Assert.Equal(Enumerable.Range(0, n), columnOf.Order());
            Assert.Equal(BestByTrying(cost, n), Total(cost, columnOf), 1e-5);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(20)]
    [InlineData(100)]
    public void Solve_AllEqual_GivesTheIdentity(int n)
    {
        Assert.Equal(Enumerable.Range(0, n), Solve([.. Enumerable.Repeat(0.7f, n * n)], n));
        Assert.Equal(Enumerable.Range(0, n), Solve([.. Enumerable.Repeat(float.NaN, n * n)], n));
    }

    [Theory]
    [InlineData(30)]
    [InlineData(100)]
    [InlineData(200)]
    public void Solve_Large_AgreesWithAnotherAlgorithm(int n)
    {
        var random = new Random(n);
        var cost = new float[n * n];
        for (var i = 0; i < cost.Length; i++) cost[i] = random.NextSingle();

        var columnOf = Solve(cost, n);

        Assert.Equal(Enumerable.Range(0, n), columnOf.Order());
        Assert.Equal(BestByAugmenting(cost, n), Total(cost, columnOf), 1e-4);
    }

    [Fact]
    public void Solve_UsedAgain_RemembersNothing()
    {
        var assignment = new Assignment(3);
        var columnOf = new int[3];
        assignment.Solve([0, 9, 9, 9, 9, 0, 9, 0, 9], columnOf);
        Assert.Equal([0, 2, 1], columnOf);

        assignment.Solve([9, 0, 9, 0, 9, 9, 9, 9, 0], columnOf);

        Assert.Equal([1, 0, 2], columnOf);
    }

    [Fact]
    public void Solve_InfiniteRow_Throws()
    {
        var infinite = float.PositiveInfinity;
        Assert.Throws<ArgumentException>(() => Solve([infinite, infinite, 0, 1], 2));
    }

    [Fact]
    public void Solve_InfiniteWhereAvoidable_AvoidsIt()
        => Assert.Equal([1, 0], Solve([float.PositiveInfinity, 5, 5, float.PositiveInfinity], 2));

    private static int[] Solve(float[] cost, int n)
    {
        var columnOf = new int[n];
        new Assignment(n).Solve(cost, columnOf);
        return columnOf;
    }

    private static double At(float[] cost, int i) => float.IsNaN(cost[i]) ? 0 : cost[i];

    private static double Total(float[] cost, int[] columnOf) =>
        columnOf.Select((j, i) => At(cost, i * columnOf.Length + j)).Sum();

    private static double BestByTrying(float[] cost, int n)
    {
        return Try(0, 0);

        double Try(int row, int taken)
        {
            if (row == n) return 0;
            var best = double.PositiveInfinity;
            for (var j = 0; j < n; j++)
                if ((taken & (1 << j)) == 0)
                    best = Math.Min(best, At(cost, row * n + j) + Try(row + 1, taken | (1 << j)));
            return best;
        }
    }

    /// <summary>Successive shortest paths by Bellman and Ford on the residual graph: slow,
    /// and nothing in common with the code under test.</summary>
    private static double BestByAugmenting(float[] cost, int n)
    {
        var rowOf = Enumerable.Repeat(-1, n).ToArray();
        var columnOf = Enumerable.Repeat(-1, n).ToArray();
        for (var start = 0; start < n; start++)
        {
            var toRow = Enumerable.Repeat(double.PositiveInfinity, n).ToArray();
            var toColumn = Enumerable.Repeat(double.PositiveInfinity, n).ToArray();
            var from = new int[n];
            toRow[start] = 0;
            for (var changed = true; changed;)
            {
                changed = false;
                for (var i = 0; i < n; i++)
                {
                    if (double.IsPositiveInfinity(toRow[i])) continue;
                    for (var j = 0; j < n; j++)
                    {
                        if (columnOf[i] == j || toRow[i] + cost[i * n + j] >= toColumn[j] - 1e-12) continue;
                        (toColumn[j], from[j], changed) = (toRow[i] + cost[i * n + j], i, true);
                        if (rowOf[j] >= 0) toRow[rowOf[j]] = toColumn[j] - cost[rowOf[j] * n + j];
                    }
                }
            }

            var end = Enumerable.Range(0, n).Where(j => rowOf[j] < 0).MinBy(j => toColumn[j]);
            for (var j = end; ;)
            {
                var i = from[j];
                rowOf[j] = i;
                (columnOf[i], j) = (j, columnOf[i]);
                if (i == start) break;
            }
        }

        return Total(cost, columnOf);
    }
}
