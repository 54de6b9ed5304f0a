using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Page.Browser;

/// <summary>The view of one camera.</summary>
public sealed class CameraViewTests(Chromium chromium) : BrowserTest(chromium)
{
    // The frame number in the strip of each pane, read in one step, with what the pane says of itself; see StripReader.
    private const string ReadPanes = """
        async count => {
          const read = name => {
            const canvas = document.querySelector(`canvas[data-pane=${name}]`);
            const scale = canvas.width / 512, side = 8 * scale;
            const row = canvas.getContext('2d', { willReadFrequently: true })
              .getImageData(0, Math.floor(side / 4), canvas.width, Math.ceil(side / 2));
            const isWhite = cell => {
              const [from, to] = [Math.ceil((cell + 0.25) * side), Math.floor((cell + 0.75) * side)];
              let [sum, pixels] = [0, 0];
              for (let y = 0; y < row.height; y++) {
                for (let x = from; x < to; x++, pixels++) {
                  const i = 4 * (y * row.width + x);
                  sum += (row.data[i] + row.data[i + 1] + row.data[i + 2]) / 3;
                }
              }
              return sum > 127 * pixels ? 1 : 0;
            };
            const cells = Array.from({ length: 28 }, (_, cell) => isWhite(cell));
            const bits = cells.slice(2, 26);
            const valid = cells[0] && !cells[1] && cells[27] && cells[26] === bits.reduce((a, b) => a ^ b);
            return {
              strip: valid ? bits.reduce((a, b) => 2 * a + b) : null,
              said: canvas.closest('figure').querySelector('.frame-number').textContent,
            };
          };
          const samples = [];
          while (new Set(samples.map(s => s.provisional.strip)).size < count) {
            await new Promise(requestAnimationFrame);
            samples.push({ provisional: read('provisional'), final: read('final') });
          }
          return JSON.stringify(samples);
        }
        """;

    [Fact]
    public async Task Panes_ShowTheSameFrameAtEachMoment_AndGoOn()
    {
        // A semantic model has no tracks, whose labels would lie on the strip.
        await Rig.StartAsync(cameras: "a: { synthetic: { width: 512, height: 320, fps: 25 } }", task: "vss");
        await OpenAsync("/#/camera/a");
        foreach (var pane in (string[])["provisional", "final"])
            await Assertions.Expect(Page.Locator($"canvas[data-pane={pane}]"))
                .ToHaveAttributeAsync("data-frame", new Regex("."));
        using var read = JsonDocument.Parse(await Page.EvaluateAsync<string>(ReadPanes, 24));
        var samples = read.RootElement.EnumerateArray().ToList();
        Assert.True(samples.Count >= 24);
        Assert.All(samples, sample =>
        {
            var (before, after) = (sample.GetProperty("provisional"), sample.GetProperty("final"));
            var number = before.GetProperty("strip").GetInt64();
            Assert.Equal(number, after.GetProperty("strip").GetInt64());
            Assert.Equal($"frame {number}", before.GetProperty("said").GetString());
            Assert.Equal($"frame {number}", after.GetProperty("said").GetString());
        });
        long[] numbers = [.. samples.Select(s => s.GetProperty("final").GetProperty("strip").GetInt64())];
        Assert.Equal(numbers.Order(), numbers);
    }

    [Fact]
    public async Task Panes_RefinerCorrectsAClass_EachPaneHasItsLabel_AndTheChangeIsListed()
    {
        await Rig.StartAsync(cameras: TwoCameras);
        await OpenAsync("/#/camera/a");
        await Assertions.Expect(Page.Locator("canvas[data-pane=final]"))
            .ToHaveAttributeAsync("aria-label", new Regex("^Final\\. Camera a, frame \\d+: car \\d+"));
        await Assertions.Expect(Page.Locator("canvas[data-pane=provisional]"))
            .ToHaveAttributeAsync("aria-label", new Regex("^Provisional\\. Camera a, frame \\d+: person \\d+"));
        await Assertions.Expect(Page.Locator("ul.changes li").First)
            .ToContainTextAsync(new Regex("car \\d+: class was person"));
    }
}
