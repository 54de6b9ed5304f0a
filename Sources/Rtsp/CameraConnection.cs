using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dvis.Streaming.Pipeline.Common;
using Dvis.Streaming.Pipeline.Frames;
using Dvis.Streaming.Sources.Options;

namespace Dvis.Streaming.Sources.Rtsp;

/// <summary>TCP connections to cameras, inside verified TLS for <c>rtsps</c>. Faults are typed.</summary>
internal static class CameraConnection
{
    /// <param name="timeout">For all of it, name resolution included.</param>
    /// <returns>The socket, and the stream over it.</returns>
    /// <exception cref="SourceException">The camera cannot be reached or is not trusted.</exception>
    public static async Task<(TcpClient Client, Stream Stream)> OpenAsync(RtspAddress camera, RtspTlsOptions tls,
        TimeSpan timeout, TimeProvider time, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stop, limit.Token);
        var client = new TcpClient { NoDelay = true };
        try
        {
            await client.ConnectAsync(camera.Host, camera.Port, either.Token);
            return (client, camera.Secure
                ? await SecureAsync(client.GetStream(), camera.Host, tls, either.Token)
                : client.GetStream());
        }
        catch (Exception e)
        {
            client.Dispose();
            throw e switch
            {
                _ when stop.IsCancellationRequested => e,
                OperationCanceledException or SocketException { SocketErrorCode: SocketError.TimedOut } =>
                    new SourceException(SourceFault.Timeout, "The camera did not answer in time.", e),
                SocketException
                {
                    SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain
                } => new SourceException(SourceFault.NotFound, $"The name {camera.Host} could not be resolved.", e),
                SocketException => new SourceException(SourceFault.Refused, e.Message, e),
                AuthenticationException or IOException =>
                    new SourceException(SourceFault.Tls, $"No TLS with the camera: {e.Message}", e),
                _ => e,
            };
        }
    }

    private static async Task<SslStream> SecureAsync(NetworkStream stream, string host, RtspTlsOptions tls,
        CancellationToken stop)
    {
        X509ChainPolicy policy;
        try
        {
            policy = ServerCertificate.Policy(tls.Ca);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new SourceException(SourceFault.Config, $"tls.ca cannot be used: {e.Message}", e);
        }

        try
        {
            return await ServerCertificate.AuthenticateAsync(
                stream, host, policy, tls.Verify, own: null, certificate => IsListed(policy, certificate), stop);
        }
        catch (CertificateException e)
        {
            throw new SourceException(SourceFault.Tls, $"The camera is not trusted: {e.Message}.", e);
        }
    }

    // Cameras have self-made certificates in any name: a certificate that is in the file is trusted.
    private static bool IsListed(X509ChainPolicy policy, X509Certificate certificate)
        => policy.CustomTrustStore.Any(own => own.RawData.AsSpan().SequenceEqual(certificate.GetRawCertData()));
}
