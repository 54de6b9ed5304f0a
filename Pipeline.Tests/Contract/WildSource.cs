using System.Runtime.CompilerServices;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Pipeline.Tests.Support;
using Dvis.Streaming.Pipeline.Tests.Support.Fakes;
using Dvis.Streaming.Sources.Decoding;

namespace Dvis.Streaming.Pipeline.Tests.Contract;

/// <summary>
/// A raw source whose every frame is drawn from one number of a schedule: objects come and go, the camera falls silent,
/// breaks off, changes its resolution, sends late, turns back its clocks. A session ends where the schedule says so and
/// the next one goes on behind it.
/// </summary>
internal sealed class WildSource(WildWorld world, int[] schedule) : IRawSource
{
    private readonly bool[] _visible = [true, true, false, false];
    private int _next, _disguise, _height = 64;
    private long _pts;

    public bool IsLive => world.Live;

    public IDecoderFacts? Decoder => null;

    public bool Exhausted => _next >= schedule.Length;

    /// <summary>What a picture's second pixel says: two bytes,
    /// which arrive at the model as they are because nothing is resized.</summary>
    public static int NumberIn(float red, float green) => (int)red * 256 + (int)green;

    public async IAsyncEnumerable<RawFrame> ReadAsync([EnumeratorCancellation] CancellationToken stop)
    {
        world.SessionBegins();
        for (var inSession = 0; !Exhausted; inSession++)
        {
            stop.ThrowIfCancellationRequested();
            var random = new Random(schedule[_next]);
            if (_disguise == 0 && random.Next(25) == 0)
            {
                _next++;
                world.Happened("cut");
                throw new SourceException(SourceFault.Stalled, "as drawn");
            }

            var number = _next++;
            await world.WeatherAsync(random, stop);
            yield return Paint(number, random) with { Begins = inSession == 0 };
        }
    }

    /// <summary>Now and then an object goes, another of its class comes,
    /// and some frames later looks like the one that went: a merger, if nothing comes between.</summary>
    private bool Disguise(Random random)
    {
        if (_disguise == 0 && random.Next(20) == 0) _disguise = 20;
        if (_disguise == 0) return false;
        _disguise--;
        (_visible[0], _visible[2]) = (_disguise > 12, _disguise <= 8);
        return _disguise <= 4;
    }

    private RawFrame Paint(int number, Random random)
    {
        for (var item = 0; item < _visible.Length; item++)
            if (random.Next(10) == 0) _visible[item] = !_visible[item];
        var disguised = Disguise(random);
        if (_disguise == 0 && random.Next(30) == 0) _height = _height == 64 ? 48 : 64;
        _pts += random.Next(20) switch { 0 => 0, 1 => -9000, 2 => 90_000 * 3600, _ => 3600 };
        var age = random.Next(20) == 0 ? TimeSpan.FromSeconds(random.NextDouble()) : TimeSpan.Zero;
        var received = world.Time.GetUtcNow() + TimeSpan.FromHours(random.Next(20) == 0 ? random.Next(-1, 2) : 0);
        var frame = world.Frames.Rent(64, _height);
        frame.Pixels.Clear();
        frame.Pixels[2] = (byte)(number % 7); // the rotation of the queries
        (frame.Pixels[3], frame.Pixels[4]) = ((byte)(number / 256), (byte)number);
        frame.Pixels[6] = disguised ? (byte)1 : (byte)0;
        for (var item = 0; item < _visible.Length; item++)
        {
            if (!_visible[item]) continue;
            var left = (number / 4 + item * 3) % 12 * 4 + 4;
            for (var y = item * 16 + 4; y < Math.Min(_height, item * 16 + 16); y++)
                for (var x = left; x < left + 16 && x < 64; x++)
                    frame.Pixels[(y * frame.Width + x) * 3] = FakeDvis.Red(item);
        }

        var ticks = world.Time.GetTimestamp() - ManualTime.Ticks(age);
        return new RawFrame(frame, _pts, new Timebase(1, 90000), ticks, received)
        { Capture = new CaptureTime(Some.Now, ClockSource.Synthetic, 0, 0, true) };
    }
}
