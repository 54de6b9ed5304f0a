namespace Dvis.Streaming.Pipeline.Results;

/// <summary>Axis-aligned box in source pixels, COCO order, clipped to the frame, tight around the mask.</summary>
public readonly record struct Box(float X, float Y, float Width, float Height);
