using Dvis.Streaming.Hosting.Commands;

return await DvisCommand.InvokeAsync(args);
