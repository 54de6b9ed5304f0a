using System.Security.Cryptography;
using System.Text;

namespace Dvis.Streaming.Sinks.Mqtt.Options;

/// <summary>Client ids that two machines with the same node name do not share.</summary>
internal static class ClientId
{
    public static string For(string? configured, string node)
        => string.IsNullOrEmpty(configured) ? $"dvis-{node}-{ShortMachineId()}" : configured;

    // A hash, because the machine id itself is not to leave the machine (man machine-id).
    private static string ShortMachineId()
    {
        string id;
        try
        {
            id = File.ReadAllText("/etc/machine-id");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            id = Environment.MachineName;
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes("dvis" + id)))[..8];
    }
}
