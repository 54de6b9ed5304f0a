using Dvis.Streaming.Hosting.Commands;
using Dvis.Streaming.Pipeline;

NativeHeap.Limit();
return await DvisCommand.InvokeAsync(args);
