using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>An authority made for one test, and certificates it signed, as PEM files.</summary>
internal static class TestCertificates
{
    private static readonly DateTimeOffset s_begin = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes <c>ca.pem</c>, <c>{name}.pem</c> and <c>{name}.key</c> for each name;
    /// the host of all is <paramref name="host"/>.</summary>
    public static void Write(string folder, string host, params string[] names) =>
        Write(folder, [.. names.Select(name => (name, host, 2045))]);

    /// <summary>Each with an authority of its own, <c>{name}-ca.pem</c>.</summary>
    public static void WriteApart(string folder, params (string Name, string Host, int Expires)[] certificates)
    {
        foreach (var certificate in certificates)
        {
            Write(folder, [certificate]);
            File.Move(Path.Combine(folder, "ca.pem"), Path.Combine(folder, certificate.Name + "-ca.pem"));
        }
    }

    /// <summary>Of one authority, <c>ca.pem</c>. They hold until the beginning of a year,
    /// the authority until 2045.</summary>
    public static void Write(string folder, (string Name, string Host, int Expires)[] certificates)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=dvis test authority", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var authority = request.CreateSelfSigned(s_begin, End(2045));
        File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.ExportCertificatePem());
        foreach (var (name, host, expires) in certificates)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var leaf = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            var hosts = new SubjectAlternativeNameBuilder();
            hosts.AddDnsName(host);
            leaf.CertificateExtensions.Add(hosts.Build());
            using var certificate = leaf.Create(authority, s_begin, End(expires), RandomNumberGenerator.GetBytes(8));
            File.WriteAllText(Path.Combine(folder, $"{name}.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, $"{name}.key"), key.ExportPkcs8PrivateKeyPem());
        }
    }

    private static DateTimeOffset End(int year) => new(year, 1, 1, 0, 0, 0, TimeSpan.Zero);
}
