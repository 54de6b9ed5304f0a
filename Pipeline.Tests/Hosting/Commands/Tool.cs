using System.Diagnostics;
using Dvis.Streaming.Pipeline.Tests.Support;

namespace Dvis.Streaming.Pipeline.Tests.Hosting.Commands;

/// <summary>Runs another program to its end.</summary>
internal static class Tool
{
    /// <returns>Exit code, and standard output followed by standard error.</returns>
    public static async Task<(int Code, string Output)> RunAsync(string program, string[] arguments,
        string? input = null)
    {
        using var process = Start(program, arguments, input is not null);
        if (input is not null)
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
        }

        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await errors);
    }

    /// <summary>The built <c>dvis</c>, with its own environment.</summary>
    public static Task<(int Code, string Output)> DvisAsync(params string[] arguments) =>
        RunAsync("dotnet", [Dvis, .. arguments]);

    public static Process StartDvis(params string[] arguments) => Start("dotnet", [Dvis, .. arguments], input: false);

    /// <param name="redirection">In a shell's words; empty: none.</param>
    public static Process StartDvis(string redirection, string[] arguments) =>
        Start("bash", ["-c", $"exec dotnet \"$@\" {redirection}", "bash", Dvis, .. arguments], input: false);

    /// <summary>Path of the built <c>dvis</c>.</summary>
    public static string Dvis => Path.Combine(AppContext.BaseDirectory, "dvis.dll");

    private static Process Start(string program, string[] arguments, bool input) =>
        Process.Start(new ProcessStartInfo(MosquittoBroker.Executable(program) ?? program, arguments)
        {
            RedirectStandardInput = input,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
}
