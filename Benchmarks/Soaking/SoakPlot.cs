using System.Globalization;
using System.Text;

namespace Dvis.Streaming.Benchmarks.Soaking;

/// <summary>Curves over minutes as one SVG picture, a panel each.</summary>
internal sealed class SoakPlot
{
    private const int Width = 860, PanelHeight = 150, Left = 64, Right = 150, Top = 26;
    private static readonly string[] Colours = ["#2563eb", "#d97706", "#059669", "#9333ea"];
    private readonly StringBuilder _panels = new();
    private int _count;

    /// <summary>A panel titled <paramref name="title"/>; every curve has a name, minutes and values (NaN:
    /// no point). The axis begins at zero.</summary>
    public void Add(string title, params (string Name, IReadOnlyList<(double Minute, double Value)> Points)[] curves)
    {
        var points = curves.SelectMany(curve => curve.Points).Where(point => double.IsFinite(point.Value)).ToArray();
        var (last, highest) = (Math.Max(1, points.Max(p => p.Minute)), Ceiling(points.Max(p => p.Value)));
        var (wide, high, y0) = (Width - Left - Right, PanelHeight - Top - 24, _count * PanelHeight + Top);
        string X(double minute) => Number(Left + minute / last * wide);
        string Y(double value) => Number(y0 + high - value / highest * high);
        Line($"<text x='{Left}' y='{y0 - 8}' class='t'>{title}</text>");
        for (var i = 0; i <= 2; i++)
        {
            var value = highest * i / 2;
            Line(
                $"<path d='M{Left} {Y(value)}H{Left + wide}' class='g'/><text x='{Left - 8}' y='{Y(value)}' dy='4' "
                + $"class='y'>{value.ToString("0.##", CultureInfo.InvariantCulture)}</text>");
        }

        for (var i = 0; i <= 6; i++)
            Line($"<text x='{X(last * i / 6)}' y='{y0 + high + 15}' class='x'>{Number(last * i / 6)}</text>");
        for (var i = 0; i < curves.Length; i++)
        {
            var path = string.Join('L', curves[i].Points.Where(p => double.IsFinite(p.Value))
                .Select(p => $"{X(p.Minute)} {Y(p.Value)}"));
            Line(
                $"<path d='M{path}' stroke='{Colours[i]}' class='c'/><text x='{Left + wide + 12}' "
                + $"y='{y0 + 12 + i * 17}' fill='{Colours[i]}'>{curves[i].Name}</text>");
        }

        _count++;
    }

    public override string ToString() => $$"""
        <svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {{Width}} {{_count * PanelHeight}}'
          font-family='system-ui, sans-serif' font-size='12'>
        <style>
        .t{font-weight:600}.g{stroke:#ddd}.c{fill:none;stroke-width:1.5}
        .y{text-anchor:end;fill:#666}.x{text-anchor:middle;fill:#666}
        </style>
        <rect width='100%' height='100%' fill='white'/>
        {{_panels}}</svg>

        """;

    private void Line(string text) => _panels.Append(text).Append('\n');

    private static string Number(double value) => value.ToString("0.#", CultureInfo.InvariantCulture);

    /// <summary>The next of 1, 2, 5 times a power of ten.</summary>
    private static double Ceiling(double value)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(value, 1e-9))));
        return value <= power ? power : value <= 2 * power ? 2 * power : value <= 5 * power ? 5 * power : 10 * power;
    }
}
