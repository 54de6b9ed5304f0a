using System.ComponentModel.DataAnnotations;
using Dvis.Streaming.Sinks.Mqtt.Options;

namespace Dvis.Streaming.Pipeline.Tests.Sinks.Mqtt;

public sealed class MqttOptionsTests
{
    [Theory]
    [InlineData("mqtt://broker", "broker", 1883, false)]
    [InlineData("mqtts://broker", "broker", 8883, true)]
    [InlineData("mqtts://10.0.0.7:18883/", "10.0.0.7", 18883, true)]
    [InlineData("mqtt://[::1]:1884", "::1", 1884, false)]
    public void TryParse_Server_Reads(string text, string host, int port, bool tls)
        => Assert.Equal(new MqttServer(host, port, tls), MqttServer.TryParse(text));

    [Theory]
    [InlineData("broker:1883"), InlineData("http://broker"), InlineData("mqtt://user:pass@broker"),
        InlineData("mqtt://broker/topic"), InlineData(""), InlineData(null)]
    public void TryParse_AnythingElse_IsNull(string? text) => Assert.Null(MqttServer.TryParse(text));

    [Fact]
    public void Validate_Defaults_AreValid() => Assert.Empty(Errors(new()));

    [Fact]
    public void Validate_EveryMistake_IsReportedAtOnce()
    {
        var errors = Errors(new()
        {
            Servers = ["mqtt://good", "bad"],
            Tls = { Cert = "c" },
            Password = "p",
            Backoff = { Initial = TimeSpan.FromSeconds(5), Max = TimeSpan.FromSeconds(1) },
        });
        Assert.Equal(4, errors.Count);
        Assert.Contains(errors, e => e.StartsWith("servers[1]", StringComparison.Ordinal));
        Assert.DoesNotContain(errors, e => e.Contains("good", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(nameof(MqttOptions.Root), "a/+/b"), InlineData(nameof(MqttOptions.MaxMessageBytes), 10)]
    public void Validate_Property_HasItsLimits(string property, object value)
    {
        var options = new MqttOptions();
        typeof(MqttOptions).GetProperty(property)!.SetValue(options, value);
        Assert.Single(Errors(options));
    }

    [Fact]
    public void ClientId_Default_NamesTheNodeAndIsStable()
    {
        Assert.Matches("^dvis-gate-3-[0-9a-f]{8}$", new MqttOptions().ClientIdOf("gate-3"));
        Assert.Equal(new MqttOptions().ClientIdOf("a"), new MqttOptions { ClientId = "" }.ClientIdOf("a"));
        Assert.Equal("mine", new MqttOptions { ClientId = "mine" }.ClientIdOf("gate-3"));
    }

    private static List<string> Errors(MqttOptions options)
    {
        var errors = new List<ValidationResult>();
        Validator.TryValidateObject(options, new(options), errors, validateAllProperties: true);
        return [.. errors.Select(e => e.ErrorMessage!)];
    }
}
