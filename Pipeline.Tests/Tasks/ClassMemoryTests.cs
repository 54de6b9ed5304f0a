using Dvis.Streaming.Pipeline.Tasks;

namespace Dvis.Streaming.Pipeline.Tests.Tasks;

public sealed class ClassMemoryTests
{
    private readonly ClassMemory _memory = new(2, 2);

    [Fact]
    public void Take_FirstFrames_IsThePlainMean()
    {
        Assert.Equal([1, 2, 3, 4], _memory.Take([1, 2, 3, 4]).ToArray());
        Assert.Equal([2, 2, 3, 4], _memory.Take([3, 2, 3, 4]).ToArray());
        Assert.Equal(4, _memory.Take([8, 2, 3, 4])[0], 1e-6f);
    }

    [Fact]
    public void Take_ManyFrames_ForgetsAtOnePace()
    {
        for (var i = 0; i < 1000; i++) _memory.Take([0, 0, 0, 0]);

        Assert.Equal(0.3f, _memory.Take([1, 0, 0, 0])[0], 1e-6f);
        Assert.Equal(0.51f, _memory.Take([1, 0, 0, 0])[0], 1e-6f);
    }

    [Fact]
    public void Restart_OneSlot_BeginsFromThatFrame()
    {
        for (var i = 0; i < 10; i++) _memory.Take([4, 4, 4, 4]);

        _memory.Restart(1, [0, 0, 1, 2]);

        Assert.Equal([4, 4, 2, 3], _memory.Take([4, 4, 3, 4]).ToArray());
    }

    [Fact]
    public void Clear_ForgetsAll()
    {
        for (var i = 0; i < 10; i++) _memory.Take([4, 4, 4, 4]);

        _memory.Clear();

        Assert.Equal([1, 2, 3, 4], _memory.Take([1, 2, 3, 4]).ToArray());
    }
}
