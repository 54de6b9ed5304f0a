namespace Dvis.Streaming.Sources.Decoding;

/// <summary>What a raw source knows about its current session beside the frames;
/// read by its supervisor on the same thread.</summary>
internal sealed class SourceFacts
{
    /// <summary>For example <c>h264</c>; null until known.</summary>
    public string? Codec { get; private set; }

    /// <summary>Frames a second that the stream claims; null when it does not say.</summary>
    public double? NominalFps { get; private set; }

    /// <summary>Decode errors since the source was made.</summary>
    public long DecodeErrors { get; private set; }

    private IDecoderFacts? _facts;
    private long _counted;

    /// <summary>Takes over what the decoder has reported so far.</summary>
    public void Update(IDecoderFacts facts)
    {
        // Another session may have another codec.
        if (facts != _facts) (_facts, _counted, Codec, NominalFps) = (facts, 0, null, null);
        if (Codec is null || NominalFps is null) (Codec, NominalFps) = (facts.Codec, facts.NominalFps);
        var errors = facts.DecodeErrors;
        DecodeErrors += errors - _counted;
        _counted = errors;
    }
}
