using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Dvis.Streaming.Pipeline.Masks;
using Dvis.Streaming.Pipeline.Results;

namespace Dvis.Streaming.Pipeline.Tasks;

/// <summary>A query that claims the pixels of its mask.</summary>
/// <param name="Row">Row of its mask in the frame's mask logits.</param>
/// <param name="Track">Number of a thing's track; null for stuff and for a thing without a published track.</param>
public readonly record struct Claim(int Row, int ClassId, float Score, bool IsThing, long? Track);

/// <summary>
/// Builder of the scene of a frame: masks without overlap of things and stuff, or of classes, and their map. One per
/// stage; buffers are reused; not thread-safe.
/// </summary>
public sealed class SceneBuilder(CameraSettings settings)
{
    private readonly PanopticCompetition _competition = new(settings.Manifest.MaskStride);
    private readonly SemanticMixture _mixture = new(
        settings.Manifest.MaskStride, settings.Manifest.Queries, settings.Manifest.ClassCount);
    private readonly LabelMapReader _reader = new();
    private readonly List<int> _rows = [];
    private readonly List<float> _scores = [];
    private readonly List<SegmentMapEntry> _entries = [];
    private readonly ImmutableArray<Region>.Builder _regions = ImmutableArray.CreateBuilder<Region>();
    private readonly List<(Claim Thing, EncodedMask Mask)> _things = [];
    private readonly ushort[] _classValues =
        [0, .. settings.Manifest.Classes.Select(c => (ushort)(settings.IsPublished(c.Id) ? c.Id + 1 : 0))];

    private ushort[] _labels = [], _values = [];

    /// <summary>The things of the last <see cref="Panoptic"/> that have pixels of their own.</summary>
    public IReadOnlyList<(Claim Thing, EncodedMask Mask)> Things => _things;

    /// <summary>Things and stuff; claims of one stuff class become one region.</summary>
    public Scene Panoptic(MaskReader masks, List<Claim> claims, in MaskGeometry geometry)
    {
        _rows.Clear();
        _scores.Clear();
        foreach (var claim in claims)
        {
            _rows.Add(claim.Row);
            _scores.Add(claim.Score);
        }

        var labels = Labels(geometry);
        _competition.Begin(claims.Count);
        _competition.Add(masks.Logits, CollectionsMarshal.AsSpan(_rows), CollectionsMarshal.AsSpan(_scores), geometry,
            labels);
        Number(claims);
        _reader.Read(labels, _values, _entries.Count, geometry);
        _things.Clear();
        for (var k = 0; k < claims.Count; k++)
            if (claims[k].Track is not null && _values[k + 1] > 0)
                _things.Add((claims[k], _reader.Mask(_values[k + 1])!));
        foreach (var entry in _entries)
            if (entry.Track is null) AddRegion(entry, Best(claims, entry.Value));
        return new Scene(_regions.DrainToImmutable(), Map(geometry));
    }

    /// <summary>The queries whose masks <see cref="Semantic"/> needs, in this order.</summary>
    /// <param name="probabilities">Shape [Q,K+1].</param>
    public ReadOnlySpan<int> Weigh(ReadOnlySpan<float> probabilities) => _mixture.Weigh(probabilities);

    /// <summary>A class for every pixel.</summary>
    public Scene Semantic(MaskReader masks, in MaskGeometry geometry)
    {
        var labels = Labels(geometry);
        _mixture.Label(masks.Logits, geometry, labels);
        _reader.Read(labels, _classValues, _classValues.Length - 1, geometry);
        _entries.Clear();
        for (var value = 1; value < _classValues.Length; value++)
        {
            var entry = new SegmentMapEntry(value, value - 1, null);
            if (AddRegion(entry, 0)) _entries.Add(entry);
        }

        return new Scene(_regions.DrainToImmutable(), Map(geometry));
    }

    /// <summary>Sets the values of the claims that stand: one per thing and per stuff class.</summary>
    private void Number(List<Claim> claims)
    {
        if (_values.Length <= claims.Count) _values = new ushort[2 * claims.Count + 1];
        _entries.Clear();
        for (var k = 0; k < claims.Count; k++)
        {
            var (claim, value) = (claims[k], 0);
            if (_competition.Survives(k, settings.PanopticRule.Overlap) && settings.IsPublished(claim.ClassId))
            {
                if (!claim.IsThing) value = ValueOf(claim.ClassId);
                if (value == 0 && (!claim.IsThing || claim.Track is not null))
                    _entries.Add(new SegmentMapEntry(value = _entries.Count + 1, claim.ClassId, claim.Track));
            }

            _values[k + 1] = (ushort)value;
        }
    }

    /// <summary>Value of a stuff class, 0 without one.</summary>
    private int ValueOf(int classId)
    {
        foreach (var entry in _entries)
            if (entry.Track is null && entry.ClassId == classId) return entry.Value;
        return 0;
    }

    private float Best(List<Claim> claims, int value)
    {
        var best = 0f;
        for (var k = 0; k < claims.Count; k++)
            if (_values[k + 1] == value) best = Math.Max(best, claims[k].Score);
        return best;
    }

    private bool AddRegion(SegmentMapEntry entry, float score)
    {
        if (_reader.Mask(entry.Value) is not { } mask) return false;
        _regions.Add(new Region(entry.ClassId, score, mask.Box, mask.AreaPx, mask.CentroidX, mask.CentroidY,
            mask.Truncated, mask.Mask));
        return true;
    }

    private SegmentMap? Map(in MaskGeometry geometry) => settings.Publish.Map == MapOutput.Off
        ? null
        : new SegmentMap(geometry.MaskWidth, geometry.MaskHeight, [.. _entries], _reader.Runs());

    private Span<ushort> Labels(in MaskGeometry geometry)
    {
        var cells = geometry.MaskWidth * geometry.MaskHeight;
        if (_labels.Length < cells) _labels = new ushort[cells];
        return _labels.AsSpan(0, cells);
    }
}
