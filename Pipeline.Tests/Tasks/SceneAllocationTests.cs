using Dvis.Streaming.Pipeline.Inference;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Memory;
using Dvis.Streaming.Pipeline.Results;
using Dvis.Streaming.Pipeline.Tasks;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;

namespace Dvis.Streaming.Pipeline.Tests.Tasks;

/// <summary>In steady state a scene costs its own messages and next to nothing else,
/// however many queries and pixels there are.</summary>
public sealed class SceneAllocationTests : IDisposable
{
    private const int Queries = 40, Classes = 20, Runs = 20;

    private static readonly MaskGeometry s_geometry = new(320, 240, 40, 32, 40, 30, 1);

    private readonly CameraRig _rig = new(FakeDvis.Graphs(
        FakeDvis.Manifest with
        {
            Queries = Queries,
            MaskChannels = Queries,
            Classes = [.. Enumerable.Range(0, Classes)
                .Select(c => new ClassLabel(c, $"class {c}", c < 5 ? "thing" : "stuff", "#000000"))],
        },
        new ScriptedModel((_, _) => { }), new ScriptedModel((_, _) => { })));

    private readonly MaskReader _masks = new(Queries, contours: false);
    private readonly Tensor _features = new(1, Queries, 32, 40);
    private readonly float[] _identity = new float[Queries * Queries];
    private readonly SceneBuilder _builder;

    public SceneAllocationTests()
    {
        var random = new Random(1);
        for (var q = 0; q < Queries; q++)
        {
            _identity[q * Queries + q] = 1;
            Noise.Logits(random, 40, 32).CopyTo(_features.Span.Slice(q * 40 * 32));
        }

        _builder = new SceneBuilder(_rig.Settings with { Panoptic = new PanopticOptions { Overlap = 0 } });
    }

    [Fact]
    public void Panoptic_SteadyState_AllocatesItsMessages()
    {
        List<Claim> claims = [.. Enumerable.Range(0, Queries)
            .Select(q => new Claim(q, q % Classes, 0.9f, q % Classes < 5, q % Classes < 5 ? q + 1 : null))];
        int[] wanted = [.. Enumerable.Range(0, Queries)];

        Check(() =>
        {
            _masks.Load(_identity, _features, wanted, s_geometry);
            var scene = _builder.Panoptic(_masks, claims, s_geometry);
            return Size(scene) + _builder.Things.Sum(t => Size(t.Mask.Mask));
        });
    }

    [Fact]
    public void Semantic_SteadyState_AllocatesItsMessages()
    {
        var random = new Random(2);
        float[] probabilities =
            [.. Enumerable.Range(0, Queries * (Classes + 1)).Select(_ => random.NextSingle() / Classes)];

        Check(() =>
        {
            _masks.Load(_identity, _features, _builder.Weigh(probabilities), s_geometry, bits: false);
            return Size(_builder.Semantic(_masks, s_geometry));
        });
    }

    public void Dispose()
    {
        _features.Dispose();
        _rig.Dispose();
    }

    private static void Check(Func<long> build)
    {
        long size = 0;
        for (var i = 0; i < 10; i++) size = build();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Runs; i++) size = build();
        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / Runs;

        // Beside the run lengths: objects of a hundred-odd bytes for each segment, and the test's own enumerators.
        Assert.InRange(each, size, size + 400 * Queries);
    }

    private static long Size(Scene scene) => scene.Regions.Sum(r => Size(r.Mask)) + 4 * scene.Map!.Runs.Length;

    private static long Size(RunLengthMask mask) => 4 * mask.Counts.Length;
}
